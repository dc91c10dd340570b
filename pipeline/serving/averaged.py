"""Answers of several networks to the same rows, averaged: what each row's prediction is then.

Legend of shapes: N rows, C classes, labels or tags, T tokens of a row.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from pipeline.data.prepared import PreparedTask
from pipeline.kinds import kind_of
from pipeline.serving.decisions import decision_of
from pipeline.serving.specification import TaskSpec
from pipeline.serving.texts import in_words

_NEVER = 0.5  # the threshold of a label that a network does not know


class Average:
    """The answers to a task of a source's rows.

    Args:
        task: With all classes that any of the networks may know.
        rows: N.

    Attributes:
        count: How many networks answered each row, int [N].
    """

    def __init__(self, task: PreparedTask, rows: int) -> None:
        self._spec, self._kind = TaskSpec.of(vars(task)), kind_of(task.kind)
        self._outputs = max(1, len(task.classes))
        self.count = np.zeros(rows, np.int64)
        self._sums = np.zeros((rows, 0 if self._kind.per_token else self._outputs))
        self._thresholds = np.zeros((rows, self._outputs if self._kind.thresholds else 0))
        self._of_tokens: dict[int, np.ndarray] = {}

    def add(self, spec: TaskSpec, rows: np.ndarray, chances: Any) -> None:
        """Add what a network answers.

        Args:
            spec: Its task, with the classes that it knows.
            rows: Which rows, int64 [B].
            chances: Of these rows, see `pipeline.serving.served.Served.chances`.
        """
        places = [self._spec.classes.index(name) for name in spec.classes] or [0]
        self.count[rows] += 1
        if self._kind.per_token:
            for row, own in zip(rows.tolist(), chances, strict=True):
                before = self._of_tokens.setdefault(row, np.zeros((len(own), self._outputs)))
                before[:, places] += own
            return
        self._sums[rows[:, None], places] += chances
        if self._kind.thresholds:
            own = np.full(self._outputs, _NEVER)
            own[places] = spec.thresholds
            self._thresholds[rows] += own

    def columns(self, task: str, tokens: Sequence[Sequence[str]] | None = None) -> dict[str, np.ndarray]:
        """The columns of a prediction, see `pipeline.serving.decisions`, of the rows that were answered, in order.

        Args:
            task: Its name.
            tokens: Of all rows, of a source of texts.
        """
        rows = np.flatnonzero(self.count)
        if self._kind.per_token:
            assert tokens is not None
            tags = [self._of_tokens[row].argmax(1) for row in rows.tolist()]
            return in_words(task, self._spec.classes, [tokens[row] for row in rows.tolist()], tags)
        times, spec = self.count[rows, None], self._spec
        if self._kind.thresholds:
            spec = replace(spec, thresholds=(self._thresholds[rows] / times).tolist())
        decision = decision_of(spec)
        decided = decision.decided(torch.from_numpy(self._sums[rows] / times))
        named = decision.named({name: it.numpy() for name, it in decided.items()})
        return {f"{task}/{name}": it for name, it in named.items()}
