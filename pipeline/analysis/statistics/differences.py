"""Comparisons: differences and delta-m, each with the one standard error of `pipeline.analysis.statistics.intervals`.

Both sides answered the same rows, so rows are always paired. Where both have as many seeds (or replicates) these are
paired too; where not, the variances of both sides are added. A side with a single seed adds none.

Shapes: K seeds, R resamples.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.analysis.metrics import LOWER_IS_BETTER, Scores, TaskScores, bounds_of, pair
from pipeline.analysis.statistics.intervals import Estimate, Part, between, over_rows

SMALLEST = 0.01
"""A baseline nearer to zero counts as this much in delta-m, which would otherwise leave every bound."""


def level(scores: TaskScores, metric: str) -> Estimate:
    """A metric's mean over seeds; rows are resampled for the primary metric only."""
    values = scores.metrics[metric]
    rows = scores.over_rows if metric == scores.primary else None
    return Estimate.of(float(values.mean()), [rows], [between(values)], len(values), bounds_of(metric))


def difference(scores: TaskScores, against: TaskScores, metric: str) -> Estimate:
    """Mean of `scores` minus `against`.

    Raises:
        ValueError: The two answered other rows.
    """
    _check_paired(scores, against)
    one, other = scores.metrics[metric], against.metrics[metric]
    is_primary = metric == scores.primary
    if is_primary:
        pair([scores, against])
    rows = over_rows(scores.resampled - against.resampled, scores.units) if is_primary else None
    return Estimate.of(float(one.mean() - other.mean()), [rows], apart(one, -other), min(len(one), len(other)))


def apart(one: np.ndarray, other: np.ndarray) -> list[Part | None]:
    """What is not known of the sum of two means: of pairs [K] where both have as many values, else of each side."""
    return [between(one + other)] if len(one) == len(other) else [between(one), between(other)]


def relative(values: np.ndarray, against: np.ndarray, higher_is_better: bool = True) -> np.ndarray:
    """Change of a metric relative to its baseline, in percent; positive is better.

    The denominator is max(|baseline|, `SMALLEST`).
    """
    change: np.ndarray = 100.0 * (values - against) / np.maximum(np.abs(against), SMALLEST)
    return change if higher_is_better else -change


def delta_m(scores: Scores, baselines: Mapping[str, TaskScores]) -> Estimate:
    """Mean over tasks of the relative change of each one's primary metric against its single-task baseline, in percent.

    Maninis et al. 2019 (arXiv 1904.08918) and Vandenhende et al. 2021 (arXiv 2004.13379, section 4.1), who divide by
    the baseline as it is and give no interval. Here the change is that of the means over seeds, since a mean of ratios
    to noisy baselines is too high, and its variance that of its first-order terms (the delta method). Tasks of one
    source are resampled together.

    Args:
        scores: Of the candidate, by task.
        baselines: Of the single-task networks, with the same tasks.

    Raises:
        ValueError: The two answered other rows.
    """
    pairs = [(it, baselines[task]) for task, it in scores.items()]
    for it, base in pairs:
        _check_paired(it, base)
    moved = [_change(it, *(one.metrics[one.primary].mean() for one in (it, base))) for it, base in pairs]
    by_source: dict[str, list[tuple[TaskScores, TaskScores]]] = {}
    for it, base in pairs:
        by_source.setdefault(it.source, []).append((it, base))
    rows = [_rows(own, len(pairs)) for own in by_source.values()]
    # Of a source whose rows tell nothing the sum would be too small, so that nothing is known of any.
    known = rows if None not in rows else []
    seeds = min(side.seeds for both in pairs for side in both)
    return Estimate.of(float(np.mean(moved)), known, _between(pairs), seeds)


def changes(scores: Scores, baselines: Mapping[str, TaskScores]) -> np.ndarray:
    """Delta-m seed by seed [K], in percent, to first order around its mean, which is `delta_m`.

    Raises:
        ValueError: The two have another number of seeds, or answered other rows.
    """
    one, other = _first_order([(it, baselines[task]) for task, it in scores.items()])
    if len({len(values) for values in one + other}) > 1:
        raise ValueError("there are no pairs: the two have another number of seeds")
    each = np.mean(one, axis=0) + np.mean(other, axis=0)
    return each - each.mean() + delta_m(scores, baselines).mean


def _between(pairs: Sequence[tuple[TaskScores, TaskScores]]) -> list[Part | None]:
    """What is not known of delta-m for want of more seeds."""
    one, other = _first_order(pairs)
    alike = [len({len(values) for values in side}) == 1 for side in (one, other)]
    if all(alike):
        return apart(np.mean(one, axis=0), np.mean(other, axis=0))
    # Of single-task networks one has lost a seed: the tasks of that side one by one.
    return [
        part
        for side, whole in zip((one, other), alike, strict=True)
        for part in ([between(np.mean(side, axis=0))] if whole else [between(it / len(side)) for it in side])
    ]


def _first_order(pairs: Sequence[tuple[TaskScores, TaskScores]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What each seed of either side makes of each task's change, T times [K] and [K'], but for a constant."""
    slopes = [_slopes(*both) for both in pairs]
    one, other = (
        [slope[side] * both[side].metrics[both[side].primary] for slope, both in zip(slopes, pairs, strict=True)]
        for side in (0, 1)
    )
    return one, other


def _rows(pairs: Sequence[tuple[TaskScores, TaskScores]], tasks: int) -> Part | None:
    """What the rows of one source add to delta-m over so many tasks."""
    pair([it for both in pairs for it in both])
    parts = []
    for both in pairs:
        slope, of_baseline = _slopes(*both)
        parts.append(slope * both[0].resampled + of_baseline * both[1].resampled)
    return over_rows(np.sum(parts, axis=0) / tasks, min(it.units for it, _ in pairs))


def _slopes(scores: TaskScores, against: TaskScores) -> tuple[float, float]:
    """How a task's relative change, in percent, moves with its metric and with its baseline's, at their means."""
    value, base = (float(it.metrics[it.primary].mean()) for it in (scores, against))
    scale = max(abs(base), SMALLEST)
    through_scale = (value - base) / scale**2 * np.sign(base) if abs(base) > SMALLEST else 0.0
    sign = -100.0 if scores.primary in LOWER_IS_BETTER else 100.0
    return sign / scale, -sign * (1.0 / scale + through_scale)


def _change(scores: TaskScores, value: float, against: float) -> float:
    return float(relative(np.array(value), np.array(against), scores.primary not in LOWER_IS_BETTER))


def _check_paired(scores: TaskScores, against: TaskScores) -> None:
    if not np.array_equal(scores.labelled, against.labelled):
        raise ValueError(
            "a difference is paired by row: both must answer the same rows, found "
            f"{scores.labelled.sum()} and {against.labelled.sum()}"
        )
