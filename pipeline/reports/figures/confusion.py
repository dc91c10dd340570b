"""Confusion matrices: which class is taken for which."""

import numpy as np
import pandas as pd

from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.matrix import add_cells
from pipeline.reports.figures.style import BAD, BLUE, STRONGEST, Panel, see_through, styled, text

_MOST = 50  # classes that are drawn, those with most mistakes


def confusion_matrices(confusions: pd.DataFrame, candidate: str) -> list[Panel]:
    """One panel a task of a candidate: right answers blue, mistakes red, in percent of the true class.

    Args:
        confusions: As `pipeline.analysis.tables.confusions_table` makes them.
        candidate: Whose.
    """
    rows = confusions[confusions["candidate"] == candidate]
    return [_panel(str(task), part) for task, part in rows.groupby("task", sort=False)]


def _panel(task: str, rows: pd.DataFrame) -> Panel:
    classes = rows.loc[rows["true"] == rows["answered"], "true"]
    drawn, said = classes, ""
    if len(classes) > _MOST:
        mistakes = rows[rows["true"] != rows["answered"]]
        count = mistakes.groupby("true")["count"].sum().add(mistakes.groupby("answered")["count"].sum(), fill_value=0)
        worst = count.reindex(classes, fill_value=0).nlargest(_MOST).index
        drawn = classes[classes.isin(worst)]
        said = f" The {_MOST} most confused of {len(classes):,} classes are drawn; confusions.csv has all."
    return Panel(task, _matrix(rows, drawn), _worst(rows) + said)


def _matrix(rows: pd.DataFrame, classes: pd.Series) -> Figure:
    totals = rows.groupby("true")["count"].sum().reindex(classes, fill_value=0).to_numpy()
    cells = rows[rows["true"].isin(classes) & rows["answered"].isin(classes)]
    counts = cells.pivot(index="true", columns="answered", values="count").reindex(index=classes, columns=classes)
    share = 100 * counts.fillna(0).to_numpy() / np.maximum(totals, 1)[:, None]
    names = [text(name) for name in classes]
    diagonal = np.eye(len(names), dtype=bool)
    figure = Figure()
    worst = max(float(share[~diagonal].max(initial=0.0)), 1.0)
    for cells, ink, most, said in (
        (diagonal, BLUE, 100.0, "%{y} answered right: %{z:.1f} %"),
        (~diagonal, BAD, worst, "%{y} taken for %{x}: %{z:.1f} %"),
    ):
        shown = np.where(cells, share.round(2), np.nan)
        numbers = [[f"{value:.0f}" if value >= 0.5 else "" for value in row] for row in shown]
        colours = ((0, see_through(ink, 0.0)), (1, see_through(ink, STRONGEST)))
        add_cells(figure, pd.DataFrame(shown, classes, classes), (0, most), colours, numbers, said)
    figure.update_xaxes(type="category", title={"text": "answered"})
    figure.update_yaxes(type="category", autorange="reversed", title={"text": "true"})
    styled(figure, height=min(220 + 24 * len(names), 640), legend=False)
    return figure.update_xaxes(showgrid=False).update_yaxes(showgrid=False)


def _worst(rows: pd.DataFrame) -> str:
    """The most frequent mistakes, in words."""
    mistakes = rows[(rows["true"] != rows["answered"]) & (rows["count"] > 0)].nlargest(2, "count")
    totals = rows.groupby("true")["count"].sum()
    said = [
        f"{it['true']} taken for {it['answered']} in {100 * it['count'] / totals[it['true']]:.0f} %"
        for it in mistakes.to_dict("records")
    ]
    return f"Most often: {', '.join(said)}." if said else "Not one mistake."
