"""What scores are made of. Nothing here needs torch: whoever only reads scores does not import it.

Shapes: K seeds (or replicates), N rows of a task's source, C classes, L labels at once, R resamples.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pipeline.analysis.counts import ROUNDING, added
from pipeline.analysis.statistics.intervals import (
    UNBOUNDED,
    Bounds,
    Part,
    mean_of,
    over_rows,
    resampled_sums,
    resampled_times,
)
from pipeline.draws import seed_of

LOWER_IS_BETTER = frozenset({"nll", "ece", "mae", "rmse"})

TITLES = {"accuracy": "accuracy", "roc_auc": "ROC-AUC", "r2": "R2", "entity_f1": "entity F1"}
"""How people call the metrics that decide. All are shown in percent, and their differences in points."""

_SHARES = frozenset(
    {"accuracy", "balanced_accuracy", "macro_f1", "entity_f1", "precision", "recall", "roc_auc", "average_precision",
     "ece"}
)  # fmt: skip

BATCH = 256
"""Rows answered together when throughput is measured."""


@dataclass(frozen=True)
class TaskScores:
    """One task's scores.

    Attributes:
        source: Whose rows were scored.
        primary: Name of the metric that decides.
        metrics: Each metric by name, float64 [K]; NaN where it is not known, as where no row is labelled.
        labelled: Whether a row has a target, bool [N]; where every row tests, of those that were tested.
        columns: What each row adds to the sums that the primary metric, mean over seeds, is made of: float64 [N, M].
            Of an accuracy: being labelled; being answered right. Of an R2: being labelled; target; its square; squared
            error. Of a ROC-AUC, for each label: having it; not having it; the row's placement in either case (the share
            of the other rows that it is ranked rightly against), less half the AUC. Of an entity F1, for each seed:
            entities that are right; those answered and those that are true, together. Where every row tests, of the
            rows of one fold after the other.
        confusions: How often which class is answered for which, over all seeds: true class, answered class, rows, of
            pairs that occur; int64 [M, 3]; None where there are no classes.
        classes: Names of these; nothing where there are none.
        undirected: Names of metrics of which nobody has said whether higher is better.
        groups: The group of each row, from 0, int64 [N]: rows of one are drawn together; None where rows are
            independent.
        folds: Where every row tests, the rows that each replicate tested, int64, K times; else nothing.
    """

    source: str
    primary: str
    metrics: dict[str, np.ndarray]
    labelled: np.ndarray
    columns: np.ndarray
    confusions: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    undirected: frozenset[str] = frozenset()
    groups: np.ndarray | None = None
    folds: tuple[np.ndarray, ...] = ()

    @property
    def seeds(self) -> int:
        """K."""
        return len(self.metrics[self.primary])

    @property
    def resampled(self) -> np.ndarray:
        """The primary metric, mean over seeds, of R resamples of the rows [R]; NaN of one of which nothing is known.

        They are the same rows for scores that were drawn together.
        """
        if _RESAMPLES not in self.__dict__:
            draw_together([self])
        return self.__dict__[_RESAMPLES]

    @cached_property
    def units(self) -> int:
        """How many labelled rows, or groups with one, there are: what is drawn."""
        return int(self.labelled.sum()) if self.groups is None else len(np.unique(self.groups[self.labelled]))

    @property
    def over_rows(self) -> Part | None:
        """What the rows tell of the primary metric."""
        return over_rows(self.resampled, self.units)


Scores = dict[str, TaskScores]
"""By task."""

_RESAMPLES, _DRAW = "_resamples", "_draw"


def draw_together(scores: Iterable[TaskScores]) -> None:
    """Resample the rows of each source once for all these scores, so that those of a source are paired."""
    by_source: dict[str, list[TaskScores]] = {}
    for it in scores:
        by_source.setdefault(it.source, []).append(it)
    for source, own in by_source.items():
        draws, draw = np.random.default_rng(seed_of("bootstrap", source)), object()
        resample = _of_folds if any(it.folds for it in own) else _of_rows
        for it, found in zip(own, resample(own, draws), strict=True):
            it.__dict__[_RESAMPLES] = np.where(np.isfinite(found), found, np.nan)
            it.__dict__[_DRAW] = draw


def _of_rows(scores: Sequence[TaskScores], draws: np.random.Generator) -> list[np.ndarray]:
    """The primary metrics [R] of resamples of the rows that all seeds answer."""
    columns = [it.columns if it.groups is None else summed(it.columns, it.groups) for it in scores]
    sums = resampled_sums(np.concatenate(columns, 1), draws)
    ends = np.cumsum([it.shape[1] for it in columns])
    with np.errstate(invalid="ignore", divide="ignore"):
        return [_OF_SUMS[it.primary](part) for it, part in zip(scores, np.split(sums, ends[:-1], axis=1), strict=True)]


def _of_folds(scores: Sequence[TaskScores], draws: np.random.Generator) -> list[np.ndarray]:
    """The primary metrics [R] of resamples of all tested rows, each the mean over the replicates' own folds.

    A row is drawn as often in every fold that tests it, so with repeats its answers stay together.
    """
    units = [[rows if it.groups is None else it.groups[rows] for rows in it.folds] for it in scores]
    tested = np.unique(np.concatenate([rows for own in units for rows in own]))
    places = [[np.searchsorted(tested, rows) for rows in own] for own in units]
    parts: list[list[np.ndarray]] = [[] for _ in scores]
    for times in resampled_times(len(tested), draws):
        for it, own, part in zip(scores, places, parts, strict=True):
            columns = np.split(it.columns, np.cumsum([len(rows) for rows in own])[:-1])
            sums = np.stack([times[:, rows] @ one for rows, one in zip(own, columns, strict=True)], 1)
            found = of_fold_sums(it.primary, sums)
            part.append(mean_of(np.where(np.isnan(it.metrics[it.primary]), np.nan, found)))
    return [np.concatenate(part) for part in parts]


def of_fold_sums(primary: str, sums: np.ndarray) -> np.ndarray:
    """A primary metric of each replicate [R, K], from sums over the rows of its fold [R, K, M]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if primary == "r2":
            return _r2_of_folds(sums)
        return _OF_SUMS[primary](sums.reshape(-1, sums.shape[2])).reshape(sums.shape[:2])


def pair(scores: Sequence[TaskScores]) -> None:
    """See to it that all scores of a source were drawn together."""
    draws: dict[str, set[object]] = {}
    for it in scores:
        draws.setdefault(it.source, set()).add(it.__dict__.get(_DRAW))
    if any(len(own) > 1 or None in own for own in draws.values()):
        draw_together(scores)


def joined(parts: Sequence[tuple[TaskScores, Sequence[int]]]) -> TaskScores:
    """The scores of all seeds of a task, from those of some seeds each, on the same rows.

    Args:
        parts: Scores, and which of all seeds they are of.
    """
    first = parts[0][0]
    if len(parts) == 1:
        return first
    order = np.argsort([place for _, places in parts for place in places])
    metrics = {name: np.concatenate([it.metrics[name] for it, _ in parts])[order] for name in first.metrics}
    if first.primary in _A_SEED:
        each = [it.columns.reshape(len(it.columns), it.seeds, -1) for it, _ in parts]
        columns = np.concatenate(each, 1)[:, order].reshape(len(first.columns), -1)
    else:
        columns = np.sum([it.seeds * it.columns for it, _ in parts], axis=0) / len(order)
    counts = [it.confusions for it, _ in parts if it.confusions is not None]
    return replace(first, metrics=metrics, columns=columns, confusions=added(counts) if counts else None)


def bounds_of(metric: str) -> Bounds:
    """What a metric may be; `roc_auc.label` is a metric as `roc_auc` is."""
    kind = metric.partition(".")[0]
    if kind in _SHARES:
        return (0.0, 1.0)
    if kind == "r2":
        return (-np.inf, 1.0)
    return (0.0, np.inf) if kind in LOWER_IS_BETTER else UNBOUNDED


def of_one(metric: str) -> bool:
    """Whether 1 is perfect, so that all tasks have one unit."""
    return bounds_of(metric)[1] == 1.0


def summed(columns: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Columns [N, M] summed over each group's rows, float64 [G, M]."""
    sums = np.zeros((int(groups.max(initial=-1)) + 1, columns.shape[1]))
    for place, column in enumerate(columns.T):  # one at a time: `add.at` over all would be slower by far
        sums[:, place] = np.bincount(groups, column, len(sums))
    return sums


def by_label(
    metric: Callable[[np.ndarray, np.ndarray], float], true: np.ndarray, chances: np.ndarray, present: np.ndarray
) -> list[float]:
    """A metric of each label.

    Args:
        metric: Takes truth and chances of the rows where the label is known.
        true: 1 or 0, [N, L].
        chances: Anything that rises with the probability, [N, L].
        present: Which of the truth is known, bool [N, L].
    """
    each = zip(true.T, chances.T, present.T, strict=True)
    return [float(metric(own[rows], chance[rows])) for own, chance, rows in each]


def mean_of_known(values: list[float]) -> float:
    """The mean of the values that are numbers; NaN where none is."""
    kept = [value for value in values if value == value]
    return float(np.mean(kept)) if kept else float("nan")


def _accuracy(sums: np.ndarray) -> np.ndarray:
    return sums[:, 1] / sums[:, 0]


def _r2(sums: np.ndarray) -> np.ndarray:
    count, linear, squares, errors = sums.T
    deviations = squares - linear**2 / count
    return 1.0 - errors / np.where(deviations > ROUNDING * squares, deviations, np.nan)


def _r2_of_folds(sums: np.ndarray) -> np.ndarray:
    """One less each fold's mean squared error by the variance of all tested targets: few rows have no variance."""
    count, linear, squares, _ = np.moveaxis(sums.sum(1), 1, 0)
    squares = squares / count
    spread = squares - (linear / count) ** 2
    errors: np.ndarray = sums[:, :, 3] / sums[:, :, 0]
    return 1.0 - errors / np.where(spread > ROUNDING * squares, spread, np.nan)[:, None]


def _roc_auc(sums: np.ndarray) -> np.ndarray:
    """The AUC's linear part, as in DeLong, DeLong and Clarke-Pearson 1988 (Biometrics 44); mean over labels."""
    present, absent, placed_present, placed_absent = sums.reshape(len(sums), -1, 4).transpose(2, 0, 1)
    known = (present > 0) & (absent > 0)
    areas = np.where(known, placed_present / present + placed_absent / absent, 0.0)
    return areas.sum(1) / known.sum(1)


def _entity_f1(sums: np.ndarray) -> np.ndarray:
    """Over all rows drawn, so that long rows count more; mean over seeds."""
    right, together = sums.reshape(len(sums), -1, 2).transpose(2, 0, 1)
    return (2 * right / np.maximum(together, 1)).mean(1)


_OF_SUMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "accuracy": _accuracy,
    "r2": _r2,
    "roc_auc": _roc_auc,
    "entity_f1": _entity_f1,
}
_A_SEED = frozenset({"entity_f1"})
"""Primary metrics whose columns are those of each seed in turn; of others they are a mean over seeds."""
