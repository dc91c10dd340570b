"""What is predicted from a task's logits: the columns of a prediction. Each kind of task names its own.

`probability/<name>` are those of classes or labels by their names.

Shapes: B rows, C classes or labels.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from pipeline.kinds import kind_of
from pipeline.serving.specification import TaskSpec

_TYPES = {"l": "long", "f": "float", "d": "double", "O": "string"}
"""MLflow's types by the characters of numpy's."""


class Decision(ABC):
    """Makes predictions of a task's logits.

    Args:
        task: Whose logits.

    Attributes:
        kind: Of the task.
    """

    def __init__(self, task: TaskSpec) -> None:
        self._task, self.kind = task, kind_of(task.kind)

    def columns(self) -> dict[str, str]:
        """The columns that a caller gets, in their order, and MLflow's type of each."""
        logits = torch.zeros(1, self.kind.outputs(len(self._task.classes)))
        columns = self.named({name: column.numpy() for name, column in self.predict(logits).items()})
        return {name: _TYPES[column.dtype.char] for name, column in columns.items()}

    def named(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The columns [B] of `predict` or `decided` with those of text, which tensors cannot hold."""
        return dict(columns)

    def _probabilities(self, values: Tensor) -> dict[str, Tensor]:
        return self._by_name("probability", values)

    def _by_name(self, what: str, values: Tensor) -> dict[str, Tensor]:
        """A column for each class or label of values [B, C]."""
        return {f"{what}/{name}": column for name, column in zip(self._task.classes, values.t(), strict=True)}

    @abstractmethod
    def predict(self, logits: Tensor) -> dict[str, Tensor]:
        """The columns [B] by name, from logits [B, C], or [B, 1] where a row has a single one."""

    @abstractmethod
    def chances(self, logits: Tensor) -> Tensor:
        """What is averaged where several networks answer a row, float64 [B, C]: probabilities, or a number."""

    @abstractmethod
    def decided(self, chances: Tensor) -> dict[str, Tensor]:
        """The columns of `predict`, from the average of several networks' `chances` [B, C]."""


class Class(Decision):
    """`label`, the predicted class as its index from 0, `class`, its name, and probabilities."""

    def named(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Decision`."""
        names = np.array(self._task.classes, object)[columns["label"]]
        return {"label": columns["label"], "class": names, **columns}

    def predict(self, logits: Tensor) -> dict[str, Tensor]:
        """See `Decision`."""
        return {"label": logits.argmax(1)} | self._probabilities(torch.softmax(logits, 1))

    def chances(self, logits: Tensor) -> Tensor:
        """See `Decision`."""
        return torch.softmax(logits.double(), 1)

    def decided(self, chances: Tensor) -> dict[str, Tensor]:
        """See `Decision`."""
        return {"label": chances.argmax(1)} | self._probabilities(chances.float())


class Binary(Class):
    """The same from a single logit."""

    def predict(self, logits: Tensor) -> dict[str, Tensor]:
        """See `Decision`."""
        # Each by its own sigmoid: 1 - p would round small probabilities away.
        both = torch.sigmoid(torch.cat([-logits, logits], 1))
        return {"label": (logits[:, 0] > 0).long()} | self._probabilities(both)

    def chances(self, logits: Tensor) -> Tensor:
        """See `Decision`."""
        return torch.sigmoid(torch.cat([-logits, logits], 1).double())


class Labels(Decision):
    """`label/<name>`, 1 where its probability is above the label's threshold, else 0, and probabilities.

    Of several networks the mean threshold counts.
    """

    def predict(self, logits: Tensor) -> dict[str, Tensor]:
        """See `Decision`."""
        return self._present(torch.sigmoid(logits))

    def chances(self, logits: Tensor) -> Tensor:
        """See `Decision`."""
        return torch.sigmoid(logits.double())

    def decided(self, chances: Tensor) -> dict[str, Tensor]:
        """See `Decision`."""
        return self._present(chances.float())

    def _present(self, chances: Tensor) -> dict[str, Tensor]:
        present = (chances > torch.tensor(self._task.thresholds)).long()
        return self._by_name("label", present) | self._probabilities(chances)


class Number(Decision):
    """`value`, in the target's own unit, clipped to the range that the specification may name."""

    def predict(self, logits: Tensor) -> dict[str, Tensor]:
        """See `Decision`."""
        task = self._task
        value = logits[:, 0].double() * task.std + task.mean
        return {"value": value.clamp(task.low, task.high).where(value.isfinite(), value)}

    def chances(self, logits: Tensor) -> Tensor:
        """See `Decision`."""
        return self.predict(logits)["value"][:, None]

    def decided(self, chances: Tensor) -> dict[str, Tensor]:
        """See `Decision`."""
        return {"value": chances[:, 0]}


class Tags(Decision):
    """`tags`, here the index of each token's tag; `pipeline.serving.texts` makes text of them, and `entities`."""

    def columns(self) -> dict[str, str]:
        """See `Decision`."""
        return {"tags": "string", "entities": "string"}

    def predict(self, logits: Tensor) -> dict[str, Tensor]:
        """See `Decision`."""
        return {"tags": logits.argmax(1)}

    def chances(self, logits: Tensor) -> Tensor:
        """See `Decision`."""
        return torch.softmax(logits.double(), 1)

    def decided(self, chances: Tensor) -> dict[str, Tensor]:
        """See `Decision`."""
        return {"tags": chances.argmax(1)}


def decision_of(task: TaskSpec) -> Decision:
    """What makes a task's predictions."""
    kind = kind_of(task.kind)
    return kind.load(kind.decision)(task)
