"""What a network predicts of rows, in words, beside what is true.

Legend of shapes as in `attributions`.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from pipeline.data.encodings.words import entities
from pipeline.kinds import kind_of
from pipeline.serving.decisions import decision_of
from pipeline.serving.specification import TaskSpec

UNKNOWN = "unknown"
"""What is true of a row that has no label."""


class Answers:
    """A task's answers to rows.

    Args:
        task: Of the network.
        logits: [B, O]; of a tagging task the tags of each token in turn.
        labels: As prepared, see `pipeline.data.prepared.Split`: a row each of B.

    Attributes:
        wrong: Whether a labelled row's prediction is not what is true, bool [B]; of numbers none is.
        signs: 1, or -1 where what speaks for the network's one output speaks against what it predicts, int [B].
    """

    def __init__(self, task: TaskSpec, logits: Tensor, labels: np.ndarray) -> None:
        self._task, self._kind, self._labels = task, kind_of(task.kind), labels
        each = logits.view(-1, len(task.classes)) if self._kind.per_token else logits
        found = {name: it.numpy() for name, it in decision_of(task).predict(each).items()}
        self._columns = {name: it.reshape(len(logits), -1) for name, it in found.items()}
        self.wrong = self._wrong()
        self.signs = np.ones(len(logits), np.int64)
        if self._kind.two_classes and self._kind.single:
            self.signs = np.where(self._columns["label"][:, 0] == 1, 1, -1)

    def truth(self, row: int, tokens: Sequence[str] = ()) -> str:
        """What is true of a row; of tags those of the row's tokens."""
        own, task = self._labels[row], self._task
        match self._kind.form:
            case "classes":
                return task.classes[int(own)] if own >= 0 else UNKNOWN
            case "numbers":
                return f"{own * task.std + task.mean:.6g}" if own == own else UNKNOWN
            case "labels":
                known = [name for name, it in zip(task.classes, own, strict=True) if it == 1.0]
                return ", ".join(known) or ("none" if (own == 0.0).all() else UNKNOWN)
        return _entities(tokens, [task.classes[tag] if tag >= 0 else "O" for tag in own[: len(tokens)]])

    def predicted(self, row: int, tokens: Sequence[str] = ()) -> str:
        """What is predicted of a row, with its probability."""
        task, own = self._task, {name: it[row] for name, it in self._columns.items()}
        match self._kind.form:
            case "classes":
                return _likely(task.classes[int(own["label"][0])], own)
            case "numbers":
                return f"{own['value'][0]:.6g}"
            case "labels":
                return ", ".join(_likely(name, own) for name in task.classes if own[f"label/{name}"][0]) or "none"
        return _entities(tokens, [task.classes[tag] for tag in own["tags"][: len(tokens)]])

    def _wrong(self) -> np.ndarray:
        labels, columns = self._labels, self._columns
        match self._kind.form:
            case "classes":
                return (labels >= 0) & (labels != columns["label"][:, 0])
            case "labels":
                there = np.concatenate([columns[f"label/{name}"] for name in self._task.classes], 1)
                return (~np.isnan(labels) & (labels != there)).any(1)
            case "tags":
                return ((labels >= 0) & (labels != columns["tags"])).any(1)
        return np.zeros(len(labels), bool)


def _likely(name: str, own: dict[str, np.ndarray]) -> str:
    """A class with its probability, which is not rounded to certainty."""
    chance = 100 * float(own[f"probability/{name}"][0])
    shown = "> 99.9" if chance > 99.9 else "< 0.1" if chance < 0.1 else f"{chance:.1f}"
    return f"{name} ({shown} %)"


def _entities(tokens: Sequence[str], tags: Sequence[str]) -> str:
    return ", ".join(f"{it['text']} ({it['type']})" for it in entities(tokens, tags)) or "no entity"
