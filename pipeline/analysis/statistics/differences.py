"""Comparisons: differences and delta-m, each with the one standard error of `pipeline.analysis.statistics.intervals`.

Both sides answered the same rows, so rows are always paired. Where both have as many seeds (or replicates) these are
paired too; where not, the variances of both sides are added. A side with a single seed adds none. A replicate whose
fold lacks a class has no AUC and no F1: it is left out of their means, and counted.

Shapes: K seeds, R resamples.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.analysis.metrics import LOWER_IS_BETTER, Scores, TaskScores, bounds_of, pair
from pipeline.analysis.statistics.intervals import Bounds, Estimate, Part, between, known_of, over_rows

SMALLEST = 0.01
"""A baseline nearer to zero counts as this much in delta-m, which would otherwise leave every bound."""


def level(scores: TaskScores, metric: str) -> Estimate:
    """A metric's mean over seeds; rows are resampled for the primary metric only."""
    values = scores.metrics[metric]
    rows = scores.over_rows if metric == scores.primary else None
    known = known_of(values)
    left_out = len(values) - len(known)
    return Estimate.of(mean(values), [rows], [between(known)], len(values), bounds_of(metric), left_out)


def difference(scores: TaskScores, against: TaskScores, metric: str) -> Estimate:
    """Mean of `scores` minus `against`.

    Raises:
        ValueError: The two answered other rows.
    """
    _check_paired(scores, against)
    one, other = both(scores.metrics[metric], against.metrics[metric])
    is_primary = metric == scores.primary
    if is_primary:
        pair([scores, against])
    rows = over_rows(scores.resampled - against.resampled, scores.units) if is_primary else None
    seeds = min(len(one), len(other))
    left_out = seeds - min(len(known_of(one)), len(known_of(other)))
    return Estimate.of(mean(one) - mean(other), [rows], apart(one, -other), seeds, apart_at_most(metric), left_out)


def apart_at_most(metric: str) -> Bounds:
    """What a difference of two values of a metric may be."""
    low, high = bounds_of(metric)
    return low - high, high - low


def mean(values: np.ndarray) -> float:
    """Of those of values [K] that are known; NaN where none is."""
    known = known_of(values)
    return float(known.mean()) if len(known) else float("nan")


def both(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same, but of pairs neither value is known where one is not."""
    if len(one) != len(other):
        return one, other
    unknown = np.isnan(one) | np.isnan(other)
    return np.where(unknown, np.nan, one), np.where(unknown, np.nan, other)


def apart(one: np.ndarray, other: np.ndarray) -> list[Part | None]:
    """What is not known of the sum of two means: of pairs [K] where both have as many values, else of each side."""
    parts = [one + other] if len(one) == len(other) else [one, other]
    return [between(known_of(part)) for part in parts]


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
    values = [_primaries(*it) for it in pairs]
    moved = [_change(it, *map(mean, own)) for (it, _), own in zip(pairs, values, strict=True)]
    by_source: dict[str, list[tuple[TaskScores, TaskScores]]] = {}
    for it, base in pairs:
        by_source.setdefault(it.source, []).append((it, base))
    rows = [_rows(own, len(pairs)) for own in by_source.values()]
    # Of a source whose rows tell nothing the sum would be too small, so that nothing is known of any.
    known = rows if None not in rows else []
    seeds = min(side.seeds for both in pairs for side in both)
    left_out = max(np.isnan(side).sum() for own in values for side in own)
    return Estimate.of(float(np.mean(moved)), known, _between(pairs), seeds, left_out=int(left_out))


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
    slopes, values = [_slopes(*it) for it in pairs], [_primaries(*it) for it in pairs]
    one, other = (
        [slope[side] * filled(own[side]) for slope, own in zip(slopes, values, strict=True)] for side in (0, 1)
    )
    return one, other


def _primaries(scores: TaskScores, against: TaskScores) -> tuple[np.ndarray, np.ndarray]:
    return both(scores.metrics[scores.primary], against.metrics[against.primary])


def filled(values: np.ndarray) -> np.ndarray:
    """Values [K] of which all are known, with the mean, and the variance of it, that those have which are.

    So tasks can be added replicate by replicate, though some lack a class in some of them.
    """
    count, known = len(values), len(known_of(values))
    if known in (0, 1, count):
        return values
    times = np.sqrt(count * (count - 1) / (known * (known - 1)))
    return mean(values) + np.where(np.isnan(values), 0.0, times * (values - mean(values)))


def _rows(pairs: Sequence[tuple[TaskScores, TaskScores]], tasks: int) -> Part | None:
    """What the rows of one source add to delta-m over so many tasks."""
    pair([it for each in pairs for it in each])
    parts = []
    for it, base in pairs:
        slope, of_baseline = _slopes(it, base)
        parts.append(slope * it.resampled + of_baseline * base.resampled)
    return over_rows(np.sum(parts, axis=0) / tasks, min(it.units for it, _ in pairs))


def _slopes(scores: TaskScores, against: TaskScores) -> tuple[float, float]:
    """How a task's relative change, in percent, moves with its metric and with its baseline's, at their means."""
    value, base = map(mean, _primaries(scores, against))
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
