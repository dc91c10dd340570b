"""Evaluating a whole stack on a split: losses and accuracies over all its rows."""

import torch
from torch import Tensor

from pipeline.data.batches import in_order
from pipeline.data.prepared import Prepared, Split
from pipeline.model import Network, loss_of


def assess(network: Network, prepared: Prepared, split: Split) -> list[dict[str, float]]:
    """Each slot's `task/nll` and `task/accuracy`, over the labelled rows of each task; NaN where there are none."""
    totals = Totals()
    losses = {task: loss_of(it.kind) for task, it in prepared.tasks.items()}
    for source in prepared.sources:
        for batch in in_order(prepared, split, source):
            logits = network.forward(batch.inputs)
            for task, targets in batch.targets.items():
                mean, count = losses[task].forward(logits[task], targets)
                totals.add(task, mean, losses[task].correct(logits[task], targets), count)
    return totals.metrics()


class Totals:
    """What was counted in each batch, so that metrics weigh rows, not batches."""

    def __init__(self) -> None:
        self._batches: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {}

    def add(self, task: str, mean: Tensor, right: Tensor, count: Tensor) -> None:
        """Add a batch: a task's mean loss and number right, [K] each, and its labelled rows, [K or 1]."""
        self._batches.setdefault(task, []).append((mean, right, count))

    def metrics(self) -> list[dict[str, float]]:
        """Each slot's `task/nll` and `task/accuracy`; NaN for a task without a labelled row."""
        columns: dict[str, list[float]] = {}
        for task, batches in self._batches.items():
            mean, right, count = (torch.stack(parts).double() for parts in zip(*batches, strict=True))
            rows = count.sum(0)
            columns[f"{task}/nll"] = ((mean * count).sum(0) / rows).tolist()
            columns[f"{task}/accuracy"] = (right.sum(0) / rows).tolist()
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
