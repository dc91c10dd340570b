"""The gap between training and validation: how much a network has learnt by heart."""

import pandas as pd

from pipeline.analysis.metrics import TITLES
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import MUTED, Panel, colour, styled, symbol, text


def gap_dots(gaps: pd.DataFrame) -> list[Panel]:
    """One panel a task: every candidate's training minus validation in the primary metric, in points, with interval."""
    return [Panel(str(task), _dots(rows)) for task, rows in gaps.groupby("task", sort=False)]


def _dots(rows: pd.DataFrame) -> Figure:
    figure = Figure()
    for row in rows.to_dict("records"):
        name = row["candidate"]
        bars = [100 * (row["gap_high"] - row["gap"])]
        figure.add_scatter(
            x=[100 * row["gap"]],
            y=[text(name)],
            error_x={"type": "data", "array": bars, "thickness": 2.5, "width": 7} if bars[0] == bars[0] else {},
            mode="markers",
            marker={"color": colour(name), "symbol": symbol(name), "size": 13},
            hovertemplate="%{x:+.2f} points<extra>%{y}</extra>",
        )
    figure.add_vline(x=0, line={"color": MUTED, "width": 1.5})
    figure.update_yaxes(autorange="reversed", showgrid=False)
    title = f"train minus validation {TITLES[rows['metric'].iloc[0]]}, points"
    return styled(figure, 90 + 38 * len(rows), title, legend=False)
