"""The trade-off between tasks: what one gains may cost the other, over trials, candidates, or preferences."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from pipeline.analysis.hypervolume import REFERENCE, estimated
from pipeline.analysis.metrics import TITLES
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import MUTED, Panel, marks, styled, text

_MOST_PAIRS = 6
_MOST_LABELS = 16  # candidates with their names beside their markers; more are told apart by the legend

Box = tuple[float, float, float, float]
"""From left to right and from below to above, in pixels."""

_PLOT, _MARKER = 250.0, 8.0  # sides of the plot on a phone and half a marker, about: names are placed by these
_SWEEPS = 4
_PLACES = (
    "middle right", "middle left", "top center", "bottom center", "top right", "bottom right", "top left",
    "bottom left",
)  # fmt: skip


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
    """Two tasks' primary metrics on validation against each other; a panel a pair, and one more of outlying trials.

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
    panels = [
        panel
        for one, other in pairs
        for panel in _panels(points.dropna(subset=[one, other]), {it: titles[it] for it in (one, other)})
    ]
    return panels if len(panels) > 1 else [replace(panels[0], wide=True)]


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


def _panels(points: pd.DataFrame, titles: Mapping[str, str]) -> list[Panel]:
    """The candidates with their names, in a frame that follows them; and where trials lie outside it, all of these."""
    one, other = titles
    named, trials = (points[(points["candidate"] != "") == it] for it in (True, False))
    near = {task: _around(named[task] if len(named) else points[task]) for task in titles}
    outside = int((~_within(trials, near)).sum())
    caption, said = f"{one} against {other}", _said_of(trials, outside)
    alt = f"{caption}, on validation: {_levels(named, one, other)}. {said}".strip()
    panels = [Panel(caption, _scatter(points, titles, near, labelled=len(named) <= _MOST_LABELS), said, alt=alt)]
    if outside and len(named):
        wide = {task: _fenced(points[task]) for task in titles}
        beyond = points[~_within(points, wide)]
        left_out = [*beyond[beyond["candidate"] != ""]["name"], *_counted(int((beyond["candidate"] == "").sum()))]
        said = f"Outside the frame, below or to the left: {', '.join(left_out)}." if left_out else ""
        spans = " and ".join(f"{trials[it].min():.2f} to {trials[it].max():.2f} % on {it}" for it in titles)
        alt = f"{caption}, the same with all {len(trials)} trials, which reach from {spans}. {said}".strip()
        panels.append(Panel(f"{caption}: all trials", _scatter(points, titles, wide), said, alt=alt))
    return panels


def _counted(trials: int) -> list[str]:
    return [f"{trials} {'trial' if trials == 1 else 'trials'}"] if trials else []


def _said_of(trials: pd.DataFrame, outside: int) -> str:
    if not outside:
        return ""
    lie = "lies" if outside == 1 else "lie"
    return f"The frame follows the candidates: {outside} of {_counted(len(trials))[0]} {lie} outside it."


def _levels(named: pd.DataFrame, one: str, other: str) -> str:
    """`tuned 97.20 / 95.10 %, equal 97.00 / 95.00 %`, the highest mean first."""
    ordered = named.loc[(named[one] + named[other]).sort_values(ascending=False, kind="stable").index]
    return ", ".join(f"{row['name']} {row[one]:.2f} / {row[other]:.2f} %" for row in ordered.to_dict("records"))


def _around(values: pd.Series) -> tuple[float, float]:
    """A frame around all of some values in percent, which never passes 100."""
    low, high = float(values.min()), float(values.max())
    margin = max(0.15 * (high - low), 0.25)
    return low - margin, min(high + margin, 100.0)


def _fenced(values: pd.Series) -> tuple[float, float]:
    """A frame around those of the values that are no outliers below (Tukey's fence)."""
    low, high = values.quantile([0.25, 0.75])
    return _around(values[values >= low - 1.5 * (high - low)])


def _within(points: pd.DataFrame, frame: Mapping[str, tuple[float, float]]) -> pd.Series:
    return pd.concat([points[task].between(*span) for task, span in frame.items()], axis=1).all(axis=1)


def _scatter(
    points: pd.DataFrame, titles: Mapping[str, str], frame: Mapping[str, tuple[float, float]], labelled: bool = False
) -> Figure:
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
    named = points[points["candidate"] != ""]
    looks, places = marks(named["candidate"]), _places(named, frame) if labelled else None
    for number, row in enumerate(named.to_dict("records")):
        name = row["candidate"]
        figure.add_scatter(
            x=[row[one]],
            y=[row[other]],
            mode="markers+text" if places else "markers",
            text=[text(name)] if places else None,
            textposition=places[number] if places else None,
            cliponaxis=False,
            marker={"color": looks[name].colour, "symbol": looks[name].symbol, "size": 13},
            name=text(name),
            showlegend=not places,
            hovertemplate="%{x:.2f} / %{y:.2f} %<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(range=list(frame[one])).update_yaxes(range=list(frame[other]))
    return styled(figure, 420, text(titles[one]), text(titles[other]))


def _places(named: pd.DataFrame, frame: Mapping[str, tuple[float, float]]) -> list[str]:
    """Where each name stands beside its marker, so that it covers as little of markers, names and margins as can be."""
    at, names = _at(named, frame), list(named["candidate"])
    markers = [(x - _MARKER, x + _MARKER, y - _MARKER, y + _MARKER) for x, y in at]
    found: dict[int, str] = {}
    for number in [*range(len(at))] * _SWEEPS:  # the first places are chosen again beside those that came later
        boxes = {place: _box(at[number], len(names[number]), place) for place in _PLACES}
        others = [_box(at[other], len(names[other]), place) for other, place in found.items() if other != number]
        covered = {
            place: sum(_overlap(box, it) for it in markers + others) + _beyond(box) for place, box in boxes.items()
        }
        found[number] = min(_PLACES, key=covered.__getitem__)
    return [found[number] for number in range(len(at))]


def _at(named: pd.DataFrame, frame: Mapping[str, tuple[float, float]]) -> list[tuple[float, float]]:
    """Where the markers are, in pixels from the left and from below."""
    across, up = (_PLOT * (named[task] - low) / (high - low) for task, (low, high) in frame.items())
    return list(zip(across, up, strict=True))


def _box(at: tuple[float, float], letters: int, place: str) -> Box:
    """What a name takes beside a marker, in pixels."""
    (x, y), (up, side) = at, place.split()
    width, height = 6.5 * letters, 14.0
    middle = {"left": x - _MARKER - width / 2, "center": x, "right": x + _MARKER + width / 2}[side]
    level = {"top": y + _MARKER + height / 2, "middle": y, "bottom": y - _MARKER - height / 2}[up]
    return middle - width / 2, middle + width / 2, level - height / 2, level + height / 2


def _overlap(a: Box, b: Box) -> float:
    """The area that two boxes share."""
    return max(min(a[1], b[1]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[2], b[2]), 0.0)


def _beyond(box: Box) -> float:
    """The area of a box beside the plot, which counts more than what it covers."""
    whole = (box[1] - box[0]) * (box[3] - box[2])
    return 10.0 * (whole - _overlap(box, (0.0, _PLOT, 0.0, _PLOT)))


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
    figure, looks = Figure(), marks(front["candidate"])
    for candidate, rows in front.groupby("candidate", sort=False):
        means = rows.groupby(["point", "task"])[[column, "share"]].mean().unstack("task")
        shares = means["share"].reindex(columns=rows["task"].unique())
        figure.add_scatter(
            x=means[column, one],
            y=means[column, other],
            text=[_said(row) for _, row in shares.iterrows()],
            mode="lines+markers" if len(shares.columns) == len(REFERENCE) else "markers",
            marker={"color": looks[str(candidate)].colour, "symbol": looks[str(candidate)].symbol, "size": 9},
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
