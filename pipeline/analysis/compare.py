"""Comparisons: differences paired by seed and by row, and delta-m.

Shapes: K seeds, N rows of a source, T tasks, R resamples.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.analysis.intervals import Estimate, percentile, resampled_sums, student
from pipeline.analysis.metrics import LOWER_IS_BETTER, PRIMARY, Scores, TaskScores
from pipeline.draws import seed_of

SMALLEST = 0.01
"""A baseline nearer to zero counts as this much in delta-m, which would otherwise leave every bound."""


def level(scores: TaskScores, metric: str) -> Estimate:
    """A metric's mean over seeds; rows have a value of their own in accuracy only."""
    values = scores.metrics[metric]
    rows = percentile(_resampled([scores])[:, 0]) if metric == PRIMARY else None
    return Estimate(float(values.mean()), student(values), rows, len(values))


def difference(scores: TaskScores, against: TaskScores, metric: str) -> Estimate:
    """Mean of `scores` minus `against`, paired by seed and, in accuracy, by row.

    Raises:
        ValueError: The two have another number of seeds or other rows.
    """
    _check_paired(scores, against)
    values = scores.metrics[metric] - against.metrics[metric]
    rows = None
    if metric == PRIMARY:
        accuracy = _resampled([scores, against])
        rows = percentile(accuracy[:, 0] - accuracy[:, 1])
    return Estimate(float(values.mean()), student(values), rows, len(values))


def relative(values: np.ndarray, against: np.ndarray, higher_is_better: bool = True) -> np.ndarray:
    """Change of a metric relative to its baseline, in percent; positive is better.

    The denominator is max(|baseline|, `SMALLEST`).
    """
    change: np.ndarray = 100.0 * (values - against) / np.maximum(np.abs(against), SMALLEST)
    return change if higher_is_better else -change


def delta_m(scores: Scores, baselines: Mapping[str, TaskScores]) -> Estimate:
    """Mean over tasks of each task's relative change of accuracy against its single-task baseline, in percent.

    Maninis et al. 2019 (arXiv 1904.08918) and Vandenhende et al. 2021 (arXiv 2004.13379, section 4.1), who divide by
    the baseline as it is and give no interval. Here it is computed per seed, and per resample of the rows; tasks of one
    source are resampled together.

    Args:
        scores: Of the candidate, by task.
        baselines: Of the single-task networks, with the same tasks.
    """
    tasks = list(scores)
    for task in tasks:
        _check_paired(scores[task], baselines[task])
    changes = [_change(scores[task].metrics[PRIMARY], baselines[task].metrics[PRIMARY]) for task in tasks]
    per_seed = np.mean(changes, axis=0)
    return Estimate(
        float(per_seed.mean()), student(per_seed), percentile(_resampled_delta_m(scores, baselines)), len(per_seed)
    )


def _resampled_delta_m(scores: Scores, baselines: Mapping[str, TaskScores]) -> np.ndarray:
    """Delta-m of R resamples: [R]."""
    changes = []
    for source in dict.fromkeys(it.source for it in scores.values()):
        tasks = [task for task, it in scores.items() if it.source == source]
        accuracy = _resampled([both for task in tasks for both in (scores[task], baselines[task])])
        changes += [_change(accuracy[:, 2 * i], accuracy[:, 2 * i + 1]) for i in range(len(tasks))]
    delta: np.ndarray = np.mean(changes, axis=0)
    return delta


def _change(values: np.ndarray, against: np.ndarray) -> np.ndarray:
    return relative(values, against, higher_is_better=PRIMARY not in LOWER_IS_BETTER)


def _resampled(together: Sequence[TaskScores]) -> np.ndarray:
    """Accuracies, mean over seeds, of R resamples of the rows of one source: [R, len(together)]."""
    columns = [column for it in together for column in (it.correct.sum(0), it.labelled)]
    draws = np.random.default_rng(seed_of("bootstrap", together[0].source))
    sums = resampled_sums(np.stack(columns, 1).astype(np.int64), draws).astype(np.float64)
    right, labelled = sums[:, 0::2], sums[:, 1::2]
    seeds = np.array([len(it.correct) for it in together])
    with np.errstate(invalid="ignore"):  # no labelled row: NaN, which has no interval
        accuracy: np.ndarray = right / labelled / seeds
    return accuracy


def _check_paired(scores: TaskScores, against: TaskScores) -> None:
    if scores.correct.shape != against.correct.shape or (scores.labelled != against.labelled).any():
        raise ValueError(
            "a difference is paired: both must answer the same rows with as many seeds, found "
            f"{scores.correct.shape} and {against.correct.shape}"
        )
