"""Comparisons: differences paired by seed and by row, and delta-m.

Shapes: K seeds, R resamples.
"""

from collections.abc import Mapping

import numpy as np

from pipeline.analysis.intervals import Estimate, percentile, student
from pipeline.analysis.metrics import LOWER_IS_BETTER, Scores, TaskScores

SMALLEST = 0.01
"""A baseline nearer to zero counts as this much in delta-m, which would otherwise leave every bound."""


def level(scores: TaskScores, metric: str) -> Estimate:
    """A metric's mean over seeds; rows are resampled for the primary metric only."""
    values = scores.metrics[metric]
    rows = percentile(scores.resampled) if metric == scores.primary else None
    return Estimate(float(values.mean()), student(values), rows, len(values))


def difference(scores: TaskScores, against: TaskScores, metric: str) -> Estimate:
    """Mean of `scores` minus `against`, paired by seed and, in the primary metric, by row.

    Raises:
        ValueError: The two have another number of seeds or other rows.
    """
    _check_paired(scores, against)
    values = scores.metrics[metric] - against.metrics[metric]
    rows = percentile(scores.resampled - against.resampled) if metric == scores.primary else None
    return Estimate(float(values.mean()), student(values), rows, len(values))


def relative(values: np.ndarray, against: np.ndarray, higher_is_better: bool = True) -> np.ndarray:
    """Change of a metric relative to its baseline, in percent; positive is better.

    The denominator is max(|baseline|, `SMALLEST`).
    """
    change: np.ndarray = 100.0 * (values - against) / np.maximum(np.abs(against), SMALLEST)
    return change if higher_is_better else -change


def delta_m(scores: Scores, baselines: Mapping[str, TaskScores]) -> Estimate:
    """Mean over tasks of the relative change of each one's primary metric against its single-task baseline, in percent.

    Maninis et al. 2019 (arXiv 1904.08918) and Vandenhende et al. 2021 (arXiv 2004.13379, section 4.1), who divide by
    the baseline as it is and give no interval. Here it is computed per seed, and per resample of the rows; tasks of one
    source are resampled together.

    Args:
        scores: Of the candidate, by task.
        baselines: Of the single-task networks, with the same tasks.
    """
    pairs = [(it, baselines[task]) for task, it in scores.items()]
    for it, base in pairs:
        _check_paired(it, base)
    per_seed = np.mean([_change(it, it.metrics[it.primary], base.metrics[it.primary]) for it, base in pairs], axis=0)
    per_resample = np.mean([_change(it, it.resampled, base.resampled) for it, base in pairs], axis=0)
    return Estimate(float(per_seed.mean()), student(per_seed), percentile(per_resample), len(per_seed))


def _change(scores: TaskScores, values: np.ndarray, against: np.ndarray) -> np.ndarray:
    return relative(values, against, higher_is_better=scores.primary not in LOWER_IS_BETTER)


def _check_paired(scores: TaskScores, against: TaskScores) -> None:
    if scores.seeds != against.seeds or not np.array_equal(scores.labelled, against.labelled):
        raise ValueError(
            "a difference is paired: both must answer the same rows with as many seeds, found "
            f"{scores.seeds} seeds of {scores.labelled.sum()} rows and {against.seeds} of {against.labelled.sum()}"
        )
