"""Gates: what each task takes from which experts, or lets through of shared layers, and how far tasks read alike."""

import numpy as np
import pandas as pd

from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.matrix import matrix
from pipeline.reports.figures.style import BLUE, STRONGEST, Panel, see_through

_COLOURS = ((0, see_through(BLUE, 0.0)), (1, see_through(BLUE, STRONGEST)))
_ALL = "all"  # the reader that is no task; of attention, the mean over a layer


def gate_maps(gates: pd.DataFrame, candidate: str) -> list[Panel]:
    """For each level of a candidate a map of the first seed's gates, readers by experts, and one of tasks by tasks."""
    rows = gates[gates["candidate"] == candidate]
    panels = []
    for level, part in rows.groupby("level", sort=False):
        of = f", level {level} of {rows['level'].nunique()}" if rows["level"].nunique() > 1 else ""
        first = _matrix(part[part["seed"] == part["seed"].min()])
        each, means = first.drop(columns=_ALL, errors="ignore"), first.get(_ALL)
        what, across = ("gates", "expert") if means is None else ("attention", "unit or channel")
        said = _most(each)
        if means is not None:
            said = f"On average: {', '.join(f'{reader} {mean:.2f}' for reader, mean in means.items())}. {said}"
        panels.append(Panel(f"{what}{of}", _map(each, "%{y} takes %{z:.3f} of %{x}", across), said))
        alike = likeness(part)
        if len(alike) > 1:
            panels.append(Panel(f"how far tasks read alike{of}", _map(alike, "%{y} and %{x}: %{z:.2f}", "")))
    return panels


def likeness(gates: pd.DataFrame) -> pd.DataFrame:
    """The cosine between what every two tasks take from all experts of a level, mean over seeds."""
    found = []
    of_tasks = gates[(gates["reader"] != _ALL) & (gates["expert"] != _ALL)]
    for _, rows in of_tasks.groupby("seed", sort=False):
        taken = _matrix(rows).fillna(0.0)
        unit = taken.div(np.linalg.norm(taken, axis=1), axis=0)
        found.append(unit @ unit.T)
    return sum(found[1:], found[0]) / len(found)


def _matrix(rows: pd.DataFrame) -> pd.DataFrame:
    """Readers down, experts across, both in their own order; empty where a reader does not read an expert."""
    readers, experts = (rows[name].drop_duplicates() for name in ("reader", "expert"))
    return rows.pivot(index="reader", columns="expert", values="gate").reindex(index=readers, columns=experts)


def _map(values: pd.DataFrame, said: str, across: str) -> Figure:
    highest = max(1.0, float(np.nanmax(values.to_numpy())))
    return matrix(values, said, (0.0, highest), _COLOURS, across=across)


def _most(taken: pd.DataFrame) -> str:
    """What each reader takes most of, in words."""
    said = [f"{reader} {row.max():.2f} of {row.idxmax()}" for reader, row in taken.iterrows()]
    return f"Most: {', '.join(said)}."
