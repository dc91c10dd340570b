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
        figure.add_scatter(
            x=[100 * row["mean"]],
            y=[text(name)],
            error_x=_error(row),
            mode="markers",
            marker={"color": colour(name), "symbol": symbol(name), "size": 13},
            name=text(name),
            hovertemplate="%{x:.2f} %<extra>%{y}</extra>",
        )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return styled(figure, height=90 + 38 * len(rows), x=f"test {TITLES[rows['metric'].iloc[0]]}, %", legend=False)


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
        figure.add_scatter(
            x=[100 * row["mean"]],
            y=[text(row["task"])],
            error_x=_error(row) | {"color": _VERDICT[row["verdict"]]},
            mode="markers",
            marker={"color": _VERDICT[row["verdict"]], "symbol": symbol(row["candidate"]), "size": 13},
            hovertemplate="%{x:+.2f} points<extra>%{y}</extra>",
        )
    figure.add_vline(x=0, line={"color": MUTED, "width": 1.5})
    figure.update_yaxes(autorange="reversed", showgrid=False)
    titles = " or ".join(dict.fromkeys(TITLES[metric] for metric in rows["metric"]))
    return styled(figure, height=90 + 38 * len(rows), x=f"points of test {titles}", legend=False)


def _error(row: dict) -> dict:
    """Error bars from an interval, which need not lie evenly around the mean; none where there is no interval."""
    if row["low"] != row["low"]:
        return {}
    up, down = 100 * (row["high"] - row["mean"]), 100 * (row["mean"] - row["low"])
    bars = {"type": "data", "symmetric": False, "array": [up], "arrayminus": [down], "thickness": 2.5, "width": 7}
    return bars | {"color": colour(row["candidate"])}
