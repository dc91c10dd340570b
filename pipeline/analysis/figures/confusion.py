"""Confusion matrices: which class is taken for which."""

import numpy as np
import pandas as pd

from pipeline.analysis.figures.figure import Figure
from pipeline.analysis.figures.style import BAD, BLUE, Panel, see_through, styled, text

_MOST_LABELS = 20  # more classes are drawn without numbers in the cells


def confusion_matrices(confusions: pd.DataFrame, candidate: str) -> list[Panel]:
    """One panel a task of a candidate: right answers blue, mistakes red, in percent of the true class."""
    rows = confusions[confusions["candidate"] == candidate]
    return [Panel(str(task), _matrix(part), _worst(part)) for task, part in rows.groupby("task", sort=False)]


def _square(rows: pd.DataFrame) -> pd.DataFrame:
    """Counts, true classes down, answered across, in the classes' own order."""
    classes = rows["true"].drop_duplicates()
    return rows.pivot(index="true", columns="answered", values="count").loc[classes, classes]


def _matrix(rows: pd.DataFrame) -> Figure:
    counts = _square(rows)
    share = 100 * counts.to_numpy() / np.maximum(counts.to_numpy().sum(1, keepdims=True), 1)
    names = [text(name) for name in counts.columns]
    diagonal = np.eye(len(names), dtype=bool)
    figure = Figure()
    worst = max(float(share[~diagonal].max(initial=0.0)), 1.0)
    for cells, ink, most, said in (
        (diagonal, BLUE, 100.0, "%{y} answered right: %{z:.1f} %"),
        (~diagonal, BAD, worst, "%{y} taken for %{x}: %{z:.1f} %"),
    ):
        shown = np.where(cells, share, np.nan)
        figure.add_heatmap(
            z=shown,
            x=names,
            y=names,
            zmin=0,
            zmax=most,
            colorscale=[[0, see_through(ink, 0.0)], [1, see_through(ink, 0.85)]],
            showscale=False,
            xgap=1,
            ygap=1,
            text=[[f"{value:.0f}" if value >= 0.5 else "" for value in row] for row in shown],
            texttemplate="%{text}" if len(names) <= _MOST_LABELS else None,
            hovertemplate=f"{said}<extra></extra>",
            hoverongaps=False,
        )
    figure.update_xaxes(type="category", tickangle=-45 if max(map(len, names)) > 3 else 0, title={"text": "answered"})
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
