"""Fronts: what a network that is given a preference among its tasks answers to several."""

from itertools import combinations

import pandas as pd

from pipeline.analysis.hypervolume import REFERENCE, estimated
from pipeline.analysis.metrics import TITLES
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import Panel, colour, styled, symbol, text

_MOST_PAIRS = 6


def fronts(front: pd.DataFrame) -> list[Panel]:
    """Every two tasks' losses on validation against each other, a line a candidate; of two tasks their metrics too.

    Args:
        front: As `pipeline.analysis.tables.front_table` makes it.
    """
    tasks = front["task"].drop_duplicates().tolist()
    pairs = list(combinations(tasks, 2))[:_MOST_PAIRS]
    panels = [Panel(f"losses of {one} and {other}", _lines(front, one, other, "loss")) for one, other in pairs]
    if len(tasks) > len(REFERENCE):
        return panels
    return [
        Panel(panels[0].caption, panels[0].figure, _areas(front)),
        Panel(f"metrics of {tasks[0]} and {tasks[1]}", _lines(front, tasks[0], tasks[1], "value")),
    ]


def _lines(front: pd.DataFrame, one: str, other: str, column: str) -> Figure:
    figure = Figure()
    for candidate, rows in front.groupby("candidate", sort=False):
        means = rows.groupby(["point", "task"])[[column, "share"]].mean().unstack("task")
        shares = means["share"].reindex(columns=rows["task"].unique())
        figure.add_scatter(
            x=means[column, one],
            y=means[column, other],
            text=[_said(row) for _, row in shares.iterrows()],
            mode="lines+markers" if len(shares.columns) == len(REFERENCE) else "markers",
            marker={"color": colour(str(candidate)), "symbol": symbol(str(candidate)), "size": 9},
            name=text(candidate),
            hovertemplate="%{text}: %{x:.4g} / %{y:.4g}<extra></extra>",
        )
    metrics = dict(front[["task", "metric"]].drop_duplicates().to_numpy().tolist())
    across, up = (
        text(f"{task}: validation {'loss' if column == 'loss' else TITLES[metrics[task]]}") for task in (one, other)
    )
    return styled(figure, 380, across, up)


def _said(shares: pd.Series) -> str:
    return ", ".join(f"{text(task)} {share:.2f}" for task, share in shares.items())


def _areas(front: pd.DataFrame) -> str:
    """The hypervolume of each candidate, in words."""
    said = []
    for candidate in front["candidate"].drop_duplicates():
        area = estimated(front, candidate)
        assert area is not None
        low, high = area.interval().low, area.interval().high
        said.append(f"{candidate} {area.mean:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low == low else ""))
    return f"Hypervolume of the losses up to {REFERENCE}, larger is better: {', '.join(said)}."
