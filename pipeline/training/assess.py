"""What is counted while training and evaluating: losses and accuracies over all rows of a pass."""

import torch
from torch import Tensor

from pipeline.data.batches import Rows, in_order
from pipeline.data.prepared import Prepared, Split
from pipeline.model import Network, loss_of
from pipeline.stacked import Targets

_BATCHES = 32  # counted at a time: a call for many rows costs little more than one for few


def assess(network: Network, prepared: Prepared, split: Split | Rows) -> list[dict[str, float]]:
    """Each slot's `task/nll` and `task/accuracy`, over the labelled rows of each task; NaN where there are none."""
    tallies = {task: Tally() for task in prepared.tasks}
    losses = {task: loss_of(it.kind, network.on.device) for task, it in prepared.tasks.items()}
    for batch in in_order(prepared, split):
        logits = network.forward(batch.inputs)
        for task, targets in batch.targets.items():
            rows, predicted = tallies[task].room(targets, len(logits[task]))
            losses[task].forward(logits[task], targets, rows)
            losses[task].predict(logits[task], predicted)
            if network.on.batched:
                tallies[task].count()
    return metrics(tallies)


class Tally:
    """One task's rows: so metrics weigh rows, not batches."""

    def __init__(self) -> None:
        self._waiting: list[Targets] = []
        self._rooms: dict[tuple[int, int, int], tuple[Tensor, Tensor]] = {}
        self._used: list[tuple[Tensor, Tensor]] = []
        self._totals: Tensor | None = None

    def room(self, targets: Targets, slots: int) -> tuple[Tensor, Tensor]:
        """Where the caller writes the losses, float32 [K, B], and the predicted classes, int64 [K, B], of a batch."""
        if len(self._waiting) == _BATCHES:
            self.count()
        rows = targets.classes.size(1)
        key = (len(self._waiting), slots, rows)
        if key not in self._rooms:
            on = targets.classes.device
            losses = torch.empty(slots, rows, device=on)
            self._rooms[key] = (losses, torch.empty(slots, rows, dtype=torch.int64, device=on))
        self._waiting.append(targets)
        self._used.append(self._rooms[key])
        return self._rooms[key]

    def means(self) -> Tensor:
        """Each slot's mean loss and accuracy over the labelled rows [2, K], NaN without any; the count starts again."""
        if self._waiting:
            self.count()
        assert self._totals is not None
        found = self._totals[:2] / self._totals[2]
        self._totals.zero_()
        return found

    def count(self) -> None:
        """Count what was written so far; its memory is free again."""
        classes, labelled = (
            torch.cat([getattr(it, name) for it in self._waiting], 1) for name in ("classes", "labelled")
        )
        losses, predicted = (torch.cat(parts, 1) for parts in zip(*self._used, strict=True))
        if self._totals is None:
            self._totals = losses.new_zeros(3, len(losses), dtype=torch.float64)
        self._totals[0].add_(losses.mul_(labelled).sum(1, dtype=torch.float64))
        self._totals[1].add_(((predicted == classes) & (labelled > 0)).sum(1))
        self._totals[2].add_(labelled.sum(1, dtype=torch.float64))
        self._waiting, self._used = [], []


def metrics(tallies: dict[str, Tally]) -> list[dict[str, float]]:
    """Each slot's `task/nll` and `task/accuracy`; NaN for a task without a labelled row."""
    names = [f"{task}/{metric}" for task in tallies for metric in ("nll", "accuracy")]
    columns = torch.cat([tally.means() for tally in tallies.values()])  # read at once: a GPU is waited for
    return [dict(zip(names, values, strict=True)) for values in columns.T.tolist()]
