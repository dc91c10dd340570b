"""What is counted while training and evaluating: losses and accuracies over all rows of a pass."""

import torch
from torch import Tensor

from pipeline.data.batches import Rows, in_order
from pipeline.data.prepared import Prepared, Split
from pipeline.model import Loss, Network, loss_of
from pipeline.stacked import Targets

COUNTED = 2048
"""Rows that are counted at a time: a call for many costs little more than one for few."""


def assess(network: Network, prepared: Prepared, split: Split | Rows) -> list[dict[str, float]]:
    """Each slot's `task/nll` and `task/accuracy`, over the labelled rows of each task; NaN where there are none."""
    on = network.on
    tallies = {task: Tally(loss_of(it.kind, on.device), on.batched) for task, it in prepared.tasks.items()}
    for batch in in_order(prepared, split):
        logits = network.forward(batch.inputs)
        for task, targets in batch.targets.items():
            tallies[task].take(logits[task], targets)
    return metrics(tallies)


class Tally:
    """Counts one task's rows: so metrics weigh rows, not batches.

    Args:
        loss: The task's.
        at_once: Count each batch when it is taken, as the graph of a step has to.
    """

    def __init__(self, loss: Loss, at_once: bool = False) -> None:
        self._loss, self._at_once = loss, at_once
        self._room: Tensor | None = None  # [K, C, COUNTED]
        self._taken = 0
        self._targets: list[Targets] = []
        self._totals: Tensor | None = None

    def take(self, logits: Tensor, targets: Targets) -> None:
        """Take the logits [K, B, C] of a batch."""
        slots, rows, outputs = logits.shape
        if self._at_once or rows > COUNTED:
            self._count(logits, targets.classes, targets.labelled)
            return
        if self._taken + rows > COUNTED:
            self._count_taken()
        if self._room is None:
            self._room = logits.new_empty(slots, outputs, COUNTED)
        self._room.narrow(2, self._taken, rows).copy_(logits.mT)
        self._taken += rows
        self._targets.append(targets)

    def means(self) -> Tensor:
        """Each slot's mean loss and accuracy over the labelled rows [2, K], NaN without any; the count starts again."""
        self._count_taken()
        assert self._totals is not None
        found = self._totals[:2] / self._totals[2]
        self._totals.zero_()
        return found

    def _count_taken(self) -> None:
        if not self._targets:
            return
        assert self._room is not None
        classes = torch.cat([it.classes for it in self._targets], 1)
        labelled = torch.cat([it.labelled for it in self._targets], 1)
        self._count(self._room.narrow(2, 0, self._taken).mT, classes, labelled)
        self._targets, self._taken = [], 0

    def _count(self, logits: Tensor, classes: Tensor, labelled: Tensor) -> None:
        losses = self._loss.rows(logits, classes)
        right = (self._loss.predict(logits) == classes) & (labelled > 0)
        if self._totals is None:
            self._totals = losses.new_zeros(3, len(losses), dtype=torch.float64)
        self._totals[0].add_(losses.mul_(labelled).sum(1, dtype=torch.float64))
        self._totals[1].add_(right.sum(1))
        self._totals[2].add_(labelled.sum(1, dtype=torch.float64))


def metrics(tallies: dict[str, Tally]) -> list[dict[str, float]]:
    """Each slot's `task/nll` and `task/accuracy`; NaN for a task without a labelled row."""
    names = [f"{task}/{metric}" for task in tallies for metric in ("nll", "accuracy")]
    columns = torch.cat([tally.means() for tally in tallies.values()])  # read at once: a GPU is waited for
    return [dict(zip(names, values, strict=True)) for values in columns.T.tolist()]
