"""Scores where every row tests: of each replicate on its own fold, put together row by row.

Every metric is that of a fold; what is said of a task is their mean. The rows are those of the source.

Shapes: R replicates, N rows of a source, M columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from pipeline.analysis.counts import added
from pipeline.analysis.metrics import Scores, TaskScores, of_fold_sums
from pipeline.data.prepared import PreparedTask, Split


class Tested(Protocol):
    """What `pipeline.data.test_split.TestSplit` holds, which the evaluate step alone may import."""

    @property
    def numbers(self) -> Sequence[Mapping[str, np.ndarray]]:
        """Where every row tests, by replicate and source which of the source's rows each test row is."""

    def of(self, replicate: int | None) -> Split:
        """The test rows of a replicate; without one those of the one split there is."""


def pooled(parts: Sequence[tuple[int, Scores, Mapping[str, PreparedTask]]], test: Tested) -> Scores:
    """The scores of several replicates' networks, each on its own fold, as one.

    Args:
        parts: Of each network its replicate, its scores, and the tasks as that replicate has them; in their order.
        test: The opened test split.
    """
    found = {}
    for name in dict.fromkeys(name for _, scores, _ in parts for name in scores):
        own = [(replicate, scores[name], tasks[name]) for replicate, scores, tasks in parts if name in scores]
        source = own[0][1].source
        count = 1 + max(int(rows[source].max(initial=-1)) for rows in test.numbers)
        numbers = [np.asarray(test.numbers[replicate][source]) for replicate, _, _ in own]
        found[name] = _pooled([it for _, it, _ in own], [it for _, _, it in own], numbers, count)
    return found


def _pooled(
    scores: Sequence[TaskScores], tasks: Sequence[PreparedTask], numbers: Sequence[np.ndarray], count: int
) -> TaskScores:
    """One task's.

    Args:
        scores: Of each network, on its fold.
        tasks: As each network's replicate has the task.
        numbers: Which of the source's rows each fold is.
        count: N.
    """
    first = scores[0]
    labelled = np.zeros(count, bool)
    groups = None if first.groups is None else np.zeros(count, np.int64)
    for it, rows in zip(scores, numbers, strict=True):
        labelled[rows] |= it.labelled
        if groups is not None and it.groups is not None:
            groups[rows] = it.groups
    columns = [_in_one_unit(it.columns, task, tasks[0]) for it, task in zip(scores, tasks, strict=True)]
    width = max(part.shape[1] for part in columns)  # a replicate may know fewer labels
    columns = [np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in columns]
    metrics = {
        name: np.concatenate([it.metrics.get(name, np.full(it.seeds, np.nan)) for it in scores])
        for name in dict.fromkeys(name for it in scores for name in it.metrics)
    }
    if first.primary == "r2":
        metrics["r2"] = of_fold_sums("r2", np.stack([part.sum(0) for part in columns])[None])[0]
    most = max(tasks, key=lambda task: len(task.classes))  # so names are in their order
    classes = tuple(dict.fromkeys([*most.classes, *(name for it in scores for name in it.classes)]))
    return replace(
        first,
        metrics=metrics,
        labelled=labelled,
        columns=np.concatenate(columns),
        confusions=None if first.confusions is None else _confusions(scores, classes),
        classes=() if first.confusions is None else classes,
        groups=groups,
        folds=tuple(numbers),
    )


def _in_one_unit(columns: np.ndarray, task: PreparedTask, first: PreparedTask) -> np.ndarray:
    """Columns [N, 4] of numbers, standardised as the first replicate has them; others as they are."""
    if not task.definition.is_number:
        return columns
    times, plus = task.std / first.std, (task.mean - first.mean) / first.std
    count, linear, squares, errors = columns.T
    moved = times**2 * squares + 2 * times * plus * linear + plus**2 * count
    return np.stack([count, times * linear + plus * count, moved, times**2 * errors], 1)


def _confusions(scores: Sequence[TaskScores], classes: Sequence[str]) -> np.ndarray:
    """The cells of all replicates, whose classes have numbers of their own, by the numbers of these names."""
    place = {name: number for number, name in enumerate(classes)}
    cells = []
    for it in scores:
        assert it.confusions is not None
        own = np.array([place[name] for name in it.classes], np.int64)
        cells.append(np.column_stack([own[it.confusions[:, :2]], it.confusions[:, 2]]))
    return added(cells)
