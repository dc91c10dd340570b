"""Candidates side by side, and their differences against the single-task baselines."""

import pandas as pd

from pipeline.analysis.metrics import TITLES
from pipeline.analysis.tables import primary
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import BAD, GOOD, MUTED, Panel, colour, styled, symbol, text

_VERDICT = {"better": GOOD, "worse": BAD, "unclear": MUTED}


def side_by_side(scores: pd.DataFrame) -> list[Panel]:
    """Each task's primary metric on test of every candidate, with its interval."""
    return [Panel(str(task), _levels(rows)) for task, rows in primary(scores).groupby("task", sort=False)]


def _levels(rows: pd.DataFrame) -> Figure:
    figure = Figure()
    for row in rows.to_dict("records"):
        name = row["candidate"]
        _dot(figure, row, name, colour(name), _error(row), "%{x:.2f} %", name=text(name))
    return _stacked(figure, len(rows), f"test {TITLES[rows['metric'].iloc[0]]}, %")


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
        _dot(figure, row, row["task"], ink, _error(row) | {"color": ink}, "%{x:+.2f} points")
    figure.add_vline(x=0, line={"color": MUTED, "width": 1.5})
    titles = " or ".join(dict.fromkeys(TITLES[metric] for metric in rows["metric"]))
    return _stacked(figure, len(rows), f"points of test {titles}")


def gap_dots(gaps: pd.DataFrame) -> list[Panel]:
    """One panel a task: every candidate's training minus validation in the primary metric, in points, with interval."""
    return [Panel(str(task), _gaps(rows)) for task, rows in gaps.groupby("task", sort=False)]


def _gaps(rows: pd.DataFrame) -> Figure:
    figure = Figure()
    for row in rows.to_dict("records"):
        name, bar = row["candidate"], 100 * (row["gap_high"] - row["gap"])
        error = {"type": "data", "array": [bar], "thickness": 2.5, "width": 7} if bar == bar else {}
        _dot(figure, row | {"mean": row["gap"]}, name, colour(name), error, "%{x:+.2f} points")
    figure.add_vline(x=0, line={"color": MUTED, "width": 1.5})
    return _stacked(figure, len(rows), f"train minus validation {TITLES[rows['metric'].iloc[0]]}, points")


def _dot(figure: Figure, row: dict, at: str, ink: str, error: dict, form: str, **more: str) -> None:
    """A mean in percent with its error bar, on a line of its own."""
    figure.add_scatter(
        x=[100 * row["mean"]],
        y=[text(at)],
        error_x=error,
        mode="markers",
        marker={"color": ink, "symbol": symbol(row["candidate"]), "size": 13},
        hovertemplate=f"{form}<extra>%{{y}}</extra>",
        **more,
    )


def _stacked(figure: Figure, lines: int, x: str) -> Figure:
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return styled(figure, height=90 + 38 * lines, x=x, legend=False)


def _error(row: dict) -> dict:
    """Error bars from an interval, which need not lie evenly around the mean; none where there is no interval."""
    if row["low"] != row["low"]:
        return {}
    up, down = 100 * (row["high"] - row["mean"]), 100 * (row["mean"] - row["low"])
    bars = {"type": "data", "symmetric": False, "array": [up], "arrayminus": [down], "thickness": 2.5, "width": 7}
    return bars | {"color": colour(row["candidate"])}
