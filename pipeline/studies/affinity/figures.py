"""What tasks are to one another: matrices, and their course over training."""

import numpy as np
import pandas as pd

from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.matrix import matrix
from pipeline.reports.figures.style import DIVERGING, MUTED, Panel, dash, series, shape, styled, text

_MOST_LINES = 12


def matrix_panel(caption: str, tasks: list[str], values: np.ndarray, said: str, sentence: str, digits: int) -> Panel:
    """A matrix of tasks by tasks, [T, T], positive in one colour and negative in another.

    Args:
        caption: What it shows.
        tasks: Names of rows and columns.
        values: NaN where there is nothing to show.
        said: Shown of a cell, with `%{y}`, `%{x}` and `%{z}`.
        sentence: How to read it.
        digits: Shown behind the point.
    """
    largest = (float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0) or 1.0
    cells = pd.DataFrame(values, tasks, tasks)
    return Panel(caption, matrix(cells, said, (-largest, largest), DIVERGING, shown=f"+.{digits}f"), sentence)


def course_panel(caption: str, rows: pd.DataFrame, joined: str, y: str) -> Panel:
    """A line a pair of tasks over the training; of many pairs those that move farthest from zero.

    Args:
        caption: What it shows.
        rows: See `pipeline.studies.affinity.affinities.over_training`.
        joined: Between the names of a pair.
        y: Title of the axis.
    """
    pairs = rows.groupby(["task", "other"], sort=False)
    order = pairs["value"].apply(lambda values: values.abs().mean()).sort_values(ascending=False, kind="stable")
    figure = Figure()
    for place, pair in enumerate(order.index[:_MOST_LINES]):
        part = pairs.get_group(pair)
        figure.add_scatter(
            x=part["epoch"],
            y=part["value"],
            name=text(f"{pair[0]}{joined}{pair[1]}"),
            mode="lines+markers",
            line={"color": series(place), "width": 2, "dash": dash(place)},
            marker={"size": 6, "symbol": shape(place)},
        )
    figure.add_hline(y=0, line={"color": MUTED, "width": 1})
    shown = f"The {_MOST_LINES} pairs farthest from zero are shown." if len(order) > _MOST_LINES else ""
    return Panel(caption, styled(figure, 320, "look at validation", y), shown)


def gains_panel(gains: pd.DataFrame) -> Panel:
    """What was expected of each task in each network against what was found."""
    figure = Figure()
    for place, (task, rows) in enumerate(gains.groupby("task", sort=False)):
        figure.add_scatter(
            x=rows["expected"],
            y=rows["found"],
            mode="markers",
            name=text(task),
            marker={"color": series(place), "size": 11, "symbol": shape(place)},
            text=[text(name) for name in rows["network"]],
            hovertemplate="%{text}: expected %{x:.4f}, found %{y:+.2f} %<extra>%{fullData.name}</extra>",
        )
    figure.add_hline(y=0, line={"color": MUTED, "width": 1})
    titles = "affinity of its network onto the task", "against the task alone, %"
    return Panel("Expected and found, each task in each network", styled(figure, 340, *titles), wide=True)
