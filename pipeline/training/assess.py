"""What is counted while training and evaluating: losses and accuracies over all rows of a pass."""

import torch
from torch import Tensor

from pipeline.data.batches import in_order
from pipeline.data.prepared import Prepared, Split
from pipeline.model import Network, loss_of
from pipeline.stacked import Targets

_BATCHES = 32  # counted at a time: a call for many rows costs little more than one for few


def assess(network: Network, prepared: Prepared, split: Split) -> list[dict[str, float]]:
    """Each slot's `task/nll` and `task/accuracy`, over the labelled rows of each task; NaN where there are none."""
    tallies = {task: Tally() for task in prepared.tasks}
    losses = {task: loss_of(it.kind) for task, it in prepared.tasks.items()}
    for batch in in_order(prepared, split):
        logits = network.forward(batch.inputs)
        for task, targets in batch.targets.items():
            rows, predicted = tallies[task].room(targets, len(logits[task]))
            losses[task].forward(logits[task], targets, rows)
            losses[task].predict(logits[task], predicted)
    return metrics(tallies)


class Tally:
    """One task's rows: so metrics weigh rows, not batches."""

    def __init__(self) -> None:
        self._waiting: list[Targets] = []
        self._rooms: dict[tuple[int, int, int], tuple[Tensor, Tensor]] = {}
        self._used: list[tuple[Tensor, Tensor]] = []
        self._start()

    def room(self, targets: Targets, slots: int) -> tuple[Tensor, Tensor]:
        """Where the caller writes the losses, float32 [K, B], and the predicted classes, int64 [K, B], of a batch."""
        if len(self._waiting) == _BATCHES:
            self._count()
        rows = targets.classes.size(1)
        key = (len(self._waiting), slots, rows)
        if key not in self._rooms:
            self._rooms[key] = (torch.empty(slots, rows), torch.empty(slots, rows, dtype=torch.int64))
        self._waiting.append(targets)
        self._used.append(self._rooms[key])
        return self._rooms[key]

    def result(self) -> tuple[list[float], list[float]]:
        """Each slot's mean loss and accuracy over the labelled rows, NaN without any; the count starts again."""
        if self._waiting:
            self._count()
        found = (self._loss / self._rows).tolist(), (self._right / self._rows).tolist()
        self._start()
        return found

    def _start(self) -> None:
        self._loss, self._right, self._rows = (torch.zeros((), dtype=torch.float64) for _ in range(3))

    def _count(self) -> None:
        classes, labelled = (
            torch.cat([getattr(it, name) for it in self._waiting], 1) for name in ("classes", "labelled")
        )
        losses, predicted = (torch.cat(parts, 1) for parts in zip(*self._used, strict=True))
        self._loss = self._loss + losses.mul_(labelled).sum(1, dtype=torch.float64)
        self._right = self._right + ((predicted == classes) & (labelled > 0)).sum(1)
        self._rows = self._rows + labelled.sum(1, dtype=torch.float64)
        self._waiting, self._used = [], []


def metrics(tallies: dict[str, Tally]) -> list[dict[str, float]]:
    """Each slot's `task/nll` and `task/accuracy`; NaN for a task without a labelled row."""
    columns: dict[str, list[float]] = {}
    for task, tally in tallies.items():
        columns[f"{task}/nll"], columns[f"{task}/accuracy"] = tally.result()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
