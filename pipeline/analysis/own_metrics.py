"""Metrics of the user's own: measured on test beside the others, and deciding nothing.

A metric is a function, or a class made without arguments whose object is called: `f(true, answers) -> float`, a finite
number, or NaN where there is nothing to measure. It is called like the function or class.

    kind of task     true                                         answers
    multiclass       numbers of classes, int64 [N]                probabilities, float64 [N, C]
    binary           0 or 1, int64 [N]                            probability of 1, float64 [N]
    multilabel       1 or 0, NaN where unknown, float64 [N, L]    probabilities, float64 [N, L]
    regression       float64 [N], in the target's unit            float64 [N], in the target's unit, clipped

N are the rows with a target, of a multilabel task with at least one; what test has of classes or labels that training
never showed is left out, as the answers have no place for it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Real
from types import FunctionType
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from pipeline.analysis.metrics import TaskScores
from pipeline.data.answers import within
from pipeline.data.prepared import PreparedTask, known
from pipeline.errors import UserError
from pipeline.kinds import kind_of
from pipeline.plugins import first_line, own, part
from pipeline.stacked import Targets

_TAKEN = (
    "accuracy", "balanced_accuracy", "macro_f1", "nll", "ece", "roc_auc", "average_precision", "r2", "mae", "rmse"
)  # fmt: skip
Metric = Callable[[np.ndarray, np.ndarray], float]


class Scorer(Protocol):
    """Takes the answers to a split's rows, a batch at a time, and scores them."""

    def take(self, logits: Tensor, targets: Targets) -> None:
        """Take logits [K, B, C] and the targets that belong to them."""

    def scores(self, labels: np.ndarray, of_fold: bool = False) -> TaskScores:
        """The scores, given the targets of all rows taken.

        Args:
            labels: The targets.
            of_fold: The rows are one of several folds whose metrics are averaged: what the fold cannot tell of, NaN.
        """


class OwnScorer:
    """Scores with metrics of the user's own beside those of another scorer.

    Args:
        task: Whose answers.
        scorer: The other.
        paths: Of the metrics.

    Raises:
        UserError: There is no such metric.
    """

    def __init__(self, task: PreparedTask, scorer: Scorer, paths: Sequence[str]) -> None:
        self._task, self._scorer = task, scorer
        self._metrics = {path: metric_at(path) for path in paths}
        self._logits: list[Tensor] = []

    def take(self, logits: Tensor, targets: Targets) -> None:
        """Take logits [K, B, C] and the targets that belong to them."""
        self._scorer.take(logits, targets)
        self._logits.append(logits.clone())

    def scores(self, labels: np.ndarray, of_fold: bool = False) -> TaskScores:
        """The scores, given the targets [N] or [N, L] of all rows taken.

        Raises:
            UserError: A metric fails, or answers no number.
        """
        scores, count = self._scorer.scores(labels, of_fold), len(self._task.classes)
        if self._task.definition.form == "labels":
            labels = labels[:, :count]
            rows = known(labels).any(1)
        else:
            rows = scores.labelled & (self._task.definition.is_number | (labels < count))
        true = _true(self._task, labels[rows])
        answers = _answers(self._task, torch.cat(self._logits, 1)[:, torch.from_numpy(rows)])
        found = {
            name_of(path): np.array([measured(path, metric, true, slot) for slot in answers])
            for path, metric in self._metrics.items()
        }
        return replace(scores, metrics=found | scores.metrics, undirected=frozenset(found))


def metric_at(path: str) -> Metric:
    """The function at a path, or the object of a class.

    Raises:
        UserError: It is not there, or cannot be called.
    """
    found: Any = own(path)
    if isinstance(found, type):
        return cast(Metric, part(path, {}, "__call__"))
    if not isinstance(found, FunctionType):
        raise UserError(f"metric '{path}' is no function f(true, answers) but a {type(found).__name__}")
    return found


def name_of(path: str) -> str:
    """What a metric is called in tables and runs: like its function or class."""
    return path.rpartition(":")[2]


def measured(path: str, metric: Metric, true: np.ndarray, answers: np.ndarray) -> float:
    """What a metric answers; it gets copies.

    Raises:
        UserError: It fails, or answers something else than a finite number or NaN.
    """
    try:
        value = metric(true.copy(), answers.copy())
    except Exception as error:
        raise UserError(f"metric '{path}': {first_line(error)}") from error
    if not isinstance(value, Real | np.ndarray) or np.ndim(value) or math.isinf(float(value)):
        raise UserError(f"metric '{path}' should answer a finite number or NaN, not {value!r}")
    return float(value)


def check_metrics(kind: str, paths: Sequence[str]) -> None:
    """Try metrics of the user's own on two rows that are made up.

    Args:
        kind: Of the task.
        paths: Of the metrics.

    Raises:
        UserError: One is not there, fails, or is called like another.
    """
    taken = [*_TAKEN]
    for path in paths:
        if name_of(path) in taken:
            raise UserError(f"metric '{path}': there is a metric '{name_of(path)}' already: call it something else")
        taken.append(name_of(path))
        measured(path, metric_at(path), *made_up(kind, rows=2))


def made_up(kind: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """True values and answers of a task's kind, of three classes or labels, always the same."""
    draws, about = np.random.default_rng(0), kind_of(kind)
    if about.is_number:
        true = draws.normal(size=rows)
        return true, true + draws.normal(size=rows)
    if about.form == "labels":
        return draws.integers(2, size=(rows, 3)).astype(np.float64), draws.random((rows, 3))
    if about.two_classes:
        return np.arange(rows) % 2, draws.random(rows)
    return np.arange(rows) % 3, draws.dirichlet(np.ones(3), rows)


def _true(task: PreparedTask, labels: np.ndarray) -> np.ndarray:
    """Targets as they are stored, as a metric takes them."""
    if task.definition.is_number:
        return labels.astype(np.float64) * task.std + task.mean
    return labels.astype(np.float64) if task.definition.form == "labels" else labels.astype(np.int64)


def _answers(task: PreparedTask, logits: Tensor) -> np.ndarray:
    """Answers of every slot as a metric takes them, from logits [K, N, C]."""
    logits, kind = logits.double().cpu(), task.definition
    found = logits.squeeze(2) if kind.single else logits
    if kind.activation == "identity":
        found = within(found * task.std + task.mean, task.low, task.high)
    else:
        found = torch.softmax(found, 2) if kind.activation == "softmax" else torch.sigmoid(found)
    return found.numpy()
