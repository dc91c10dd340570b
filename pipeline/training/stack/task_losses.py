"""The losses of all tasks in a batch, each by itself.

Shapes: K slots, B rows, C outputs of a task, T tasks.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.model import Loss
from pipeline.stacked import Stacked, Targets

Logits = Mapping[str, Tensor]


class TaskLosses:
    """The losses of the tasks of a stack.

    Args:
        losses: Of the tasks.
        slots: K.
        device: Where the stack lies.
    """

    def __init__(self, losses: Mapping[str, Loss], slots: int, device: str = "cpu") -> None:
        self.of = losses
        self._ones = torch.ones(slots, device=device)

    def means(self, logits: Logits, targets: Mapping[str, Targets]) -> Tensor:
        """The mean over each task's labelled rows in each slot, [K, T]; 0 where no row has a label."""
        means = []
        for task, loss in self.of.items():
            rows = loss.rows(logits[task], targets[task].values)
            means.append(rows.mul_(targets[task].share).flatten(1).sum(1))
        return torch.stack(means, 1)

    def slopes(self, logits: Logits, targets: Mapping[str, Targets]) -> dict[str, Stacked]:
        """Gradients of each task's mean loss in its logits, [K, B, C]."""
        return {task: loss.slopes(logits[task], targets[task], self._ones) for task, loss in self.of.items()}
