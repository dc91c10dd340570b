"""The trade-off between tasks: what one gains may cost the other, over trials, candidates, or preferences."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from pipeline.analysis.hypervolume import REFERENCE, estimated
from pipeline.analysis.metrics import TITLES
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import MUTED, Panel, colour, styled, symbol, text

_MOST_PAIRS = 6


def pareto_front(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points [N] no other point beats: at least as high in both, higher in one. Bool [N]."""
    front = np.zeros(len(x), dtype=bool)
    best = -np.inf
    for index in np.lexsort((-y, -x)):
        tied = best == y[index] and (front & (x == x[index]) & (y == y[index])).any()
        if y[index] > best or tied:
            front[index] = True
            best = y[index]
    return front


def trade_off(trials: pd.DataFrame | None, gaps: pd.DataFrame, metrics: Mapping[str, str]) -> list[Panel]:
    """Two tasks' primary metrics on validation against each other, over trials and candidates; one panel a pair.

    Args:
        trials: The study's table.
        gaps: Of the candidates.
        metrics: Each task's primary metric.
    """
    tasks = tuple(metrics)
    if len(tasks) < 2:
        return [Panel("Trade-off", sentence="There is one task: nothing to trade off.")]
    points = validated(trials, gaps, metrics)
    titles = {task: f"{task}: validation {TITLES[metric]}, %" for task, metric in metrics.items()}
    if points.empty:
        return [Panel("Trade-off", sentence="Without a validation split there is nothing to compare trials by.")]
    pairs = list(combinations(tasks, 2))[:_MOST_PAIRS]
    return [
        _panel(points.dropna(subset=[one, other]), {it: titles[it] for it in (one, other)}, wide=len(pairs) == 1)
        for one, other in pairs
    ]


def validated(trials: pd.DataFrame | None, gaps: pd.DataFrame, metrics: Mapping[str, str]) -> pd.DataFrame:
    """Every trial and candidate on validation, in percent: name, candidate (empty of trials), and a column a task.

    For arguments see `trade_off`.
    """
    tasks = list(metrics)
    candidates = gaps.pivot(index="candidate", columns="task", values="validation").reset_index()
    candidates = candidates.assign(name=candidates["candidate"])
    parts = [candidates.reindex(columns=["name", "candidate", *tasks])]
    columns = {f"validation/{task}/{metric}": task for task, metric in metrics.items()}
    if trials is not None and set(columns) <= set(trials.columns):
        renamed = trials[list(columns)].rename(columns=columns)  # a task may be called `value`, as a column is
        named = renamed.assign(name=[f"trial {number}" for number in trials["number"]], candidate="")
        parts.append(named[["name", "candidate", *tasks]])
    points = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    points[tasks] = 100 * points[tasks].astype(float)
    return points


def _panel(points: pd.DataFrame, titles: Mapping[str, str], wide: bool) -> Panel:
    one, other = titles
    outside = points[(points[one] < _frame(points[one])[0]) | (points[other] < _frame(points[other])[0])]
    named, trials = outside[outside["candidate"] != ""]["name"].tolist(), int((outside["candidate"] == "").sum())
    left_out = [*named, f"{trials} {'trial' if trials == 1 else 'trials'}"] if trials else named
    said = f"Outside the frame, below or to the left: {', '.join(left_out)}." if left_out else ""
    return Panel(f"{one} against {other}", _scatter(points, titles), said, wide)


def _frame(values: pd.Series) -> list[float]:
    """From just below the lowest value that is no outlier (Tukey's fence) to just above the highest."""
    low, high = values.quantile([0.25, 0.75])
    kept = values[values >= low - 1.5 * (high - low)]
    margin = max(0.06 * float(kept.max() - kept.min()), 0.05)
    return [float(kept.min()) - margin, float(kept.max()) + margin]


def _scatter(points: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    one, other = titles
    figure = Figure()
    front = points[pareto_front(points[one].to_numpy(), points[other].to_numpy())].sort_values(one)
    figure.add_scatter(
        x=front[one],
        y=front[other],
        mode="lines",
        line={"color": MUTED, "dash": "dot", "shape": "vh", "width": 1.5},
        name="Pareto front",
        hoverinfo="skip",
    )
    trials = points[points["candidate"] == ""]
    if len(trials):
        on_front = trials.index.isin(front.index)
        figure.add_scatter(
            x=trials[one],
            y=trials[other],
            text=trials["name"],
            mode="markers",
            marker={"color": MUTED, "size": [9 if it else 6 for it in on_front], "line": {"width": 0}},
            name="trials",
            hovertemplate="%{text}: %{x:.2f} / %{y:.2f} %<extra></extra>",
        )
    for row in points[points["candidate"] != ""].to_dict("records"):
        name = row["candidate"]
        figure.add_scatter(
            x=[row[one]],
            y=[row[other]],
            mode="markers",
            marker={"color": colour(name), "symbol": symbol(name), "size": 15},
            name=text(name),
            hovertemplate="%{x:.2f} / %{y:.2f} %",
        )
    figure.update_xaxes(range=_frame(points[one])).update_yaxes(range=_frame(points[other]))
    return styled(figure, 420, text(titles[one]), text(titles[other]))


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
