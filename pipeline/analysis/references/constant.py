"""The constant prediction: the answer that ignores the input.

Of classes the shares that they have in training, so the most frequent one; of several labels the share of each; of
numbers the mean; of tags "O".

Shapes: N rows, C classes, L labels at once, T tokens of a row.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.data.prepared import PreparedTask, known

CONSTANT = "constant"
"""What it is called among references."""

OUTSIDE = "O"
_SURE = 1e-12
_PART = 1 << 22  # targets that are counted at once
_FIRST = 1.001  # times the share of the most frequent tag, for "O" to be the answer where it is not that


@dataclass(frozen=True)
class Constant:
    """One answer to all rows.

    Attributes:
        text: What it is, in words: the name of a class, or the mean in the target's unit.
        logits: float32 [C], or [1] of a binary task or a number, as a network answers them.
        tokens: T; 1 where a row is answered as a whole.
    """

    text: str
    logits: np.ndarray
    tokens: int = 1

    def answer(self, rows: np.ndarray) -> Tensor:
        """Logits [1, N * T, C] of rows [N, F], which are not looked at."""
        return torch.from_numpy(self.logits).expand(1, len(rows) * self.tokens, -1)


def constant(task: PreparedTask, labels: np.ndarray) -> Constant:
    """The constant prediction of a task from its training targets, as `Split` has them, of which some are known."""
    return task.definition.load(task.definition.constant)(task, labels)


def mean(task: PreparedTask, labels: np.ndarray) -> Constant:
    """The mean of numbers."""
    found = float(_means(labels))
    return Constant(f"{found * task.std + task.mean:.4g}", np.array([found], np.float32))


def shares_of_labels(task: PreparedTask, labels: np.ndarray) -> Constant:
    """The share of each of several labels."""
    share = _means(labels)
    logits = np.log(np.maximum(share, _SURE)) - np.log(np.maximum(1 - share, _SURE))
    return Constant("the share of each label", logits.astype(np.float32))


def most_frequent(task: PreparedTask, labels: np.ndarray) -> Constant:
    """The shares of classes or tags, of tags with "O" before any other."""
    count = len(task.classes)
    rows = np.sum([np.bincount(part[part >= 0], minlength=count) for part in _parts(labels)], 0)
    shares: np.ndarray = rows / rows.sum()
    if task.definition.per_token and OUTSIDE in task.classes:
        outside = task.classes.index(OUTSIDE)
        if shares.argmax() != outside:
            shares[outside] = _FIRST * shares.max()
    logits = np.log(np.maximum(shares, _SURE))
    logits = logits[1:] - logits[:1] if task.definition.single else logits
    return Constant(task.classes[int(shares.argmax())], logits.astype(np.float32), max(task.length, 1))


def _means(labels: np.ndarray) -> np.ndarray:
    """The mean of numbers [N], or of each of several labels [N, L]; one half of a label that is nowhere known."""
    count = np.sum([known(part).sum(0) for part in _parts(labels)], 0)
    total = np.sum([np.nansum(part, 0, dtype=np.float64) for part in _parts(labels)], 0)
    return np.where(count > 0, total / np.maximum(count, 1), 0.5)


def _parts(labels: np.ndarray) -> Iterator[np.ndarray]:
    """The targets, a few rows at a time: they may be mapped, and as many as there are rows and tokens."""
    rows = max(1, _PART // max(labels[:1].size, 1))
    for start in range(0, len(labels), rows):
        yield np.asarray(labels[start : start + rows])
