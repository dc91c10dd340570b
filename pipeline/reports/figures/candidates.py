"""Candidates side by side, their differences, and the gaps between training and validation (overfitting)."""

import pandas as pd

from pipeline.analysis.metrics import TITLES
from pipeline.analysis.tables import primary
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import BAD, GOOD, MUTED, Mark, Panel, marks, styled, text

_VERDICT = {"better": GOOD, "worse": BAD, "unclear": MUTED}


def side_by_side(scores: pd.DataFrame) -> list[Panel]:
    """Each task's primary metric on test of every candidate, with its interval."""
    return [Panel(str(task), _levels(rows)) for task, rows in primary(scores).groupby("task", sort=False)]


def _levels(rows: pd.DataFrame) -> Figure:
    figure, looks = Figure(), marks(rows["candidate"])
    for row in rows.to_dict("records"):
        name = row["candidate"]
        error = _error(row) | {"color": looks[name].colour}
        _dot(figure, 100 * row["mean"], name, error, "%{x:.2f} %", looks[name], name=text(name))
    return _listed(figure, len(rows), f"test {TITLES[rows['metric'].iloc[0]]}, %")


def differences(table: pd.DataFrame) -> list[Panel]:
    """Paired differences in points: right of the line is better; grey intervals leave it open."""
    rows = primary(table)
    return [
        Panel(f"{candidate} minus {against}", _forest(part))
        for (candidate, against), part in rows.groupby(["candidate", "against"], sort=False)
    ]


def _forest(rows: pd.DataFrame) -> Figure:
    figure = Figure()
    for row in rows.to_dict("records"):
        ink = _VERDICT[row["verdict"]]
        error = _error(row) | {"color": ink}
        mark = Mark(ink, marks([row["candidate"]])[row["candidate"]].symbol)
        _dot(figure, 100 * row["mean"], row["task"], error, "%{x:+.2f} points", mark)
    titles = " or ".join(dict.fromkeys(TITLES[metric] for metric in rows["metric"]))
    return _listed(figure, len(rows), f"points of test {titles}", zero=True)


def gap_dots(gaps: pd.DataFrame) -> list[Panel]:
    """One panel a task: every candidate's training minus validation in the primary metric, in points, with interval."""
    return [Panel(str(task), _gaps(rows)) for task, rows in gaps.groupby("task", sort=False)]


def _gaps(rows: pd.DataFrame) -> Figure:
    figure, looks = Figure(), marks(rows["candidate"])
    for row in rows.to_dict("records"):
        own = {"mean": row["gap"], "low": row["gap_low"], "high": row["gap_high"]}
        error = _error(own) | {"color": looks[row["candidate"]].colour}
        _dot(figure, 100 * row["gap"], row["candidate"], error, "%{x:+.2f} points", looks[row["candidate"]])
    title = f"train minus validation {TITLES[rows['metric'].iloc[0]]}, points"
    return _listed(figure, len(rows), title, zero=True)


def _dot(figure: Figure, x: float, y: str, error: dict, said: str, mark: Mark, **more: str) -> None:
    """Add a dot with its error bars on a line of its own."""
    marker = {"color": mark.colour, "symbol": mark.symbol, "size": 13}
    said += "<extra>%{y}</extra>"
    figure.add_scatter(x=[x], y=[text(y)], error_x=error, mode="markers", marker=marker, hovertemplate=said, **more)


def _listed(figure: Figure, lines: int, title: str, zero: bool = False) -> Figure:
    """The figure in the page's look: the first line above, and perhaps where zero lies."""
    if zero:
        figure.add_vline(x=0, line={"color": MUTED, "width": 1.5})
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return styled(figure, 90 + 38 * lines, title, legend=False)


def _error(row: dict) -> dict:
    """Error bars from an interval, which need not lie evenly around the mean; none where there is no interval."""
    if row["low"] != row["low"]:
        return {}
    up, down = 100 * (row["high"] - row["mean"]), 100 * (row["mean"] - row["low"])
    return {"type": "data", "symmetric": False, "array": [up], "arrayminus": [down], "thickness": 2.5, "width": 7}
