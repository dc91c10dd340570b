"""Evaluating a whole stack on a split: losses and accuracies over all its rows."""

import torch
from torch import Tensor

from pipeline.data.batches import in_order
from pipeline.data.prepared import Prepared, Split
from pipeline.model import Network, loss_of


def assess(network: Network, prepared: Prepared, split: Split) -> list[dict[str, float]]:
    """Each slot's `task/nll` and `task/accuracy`, over the labelled rows of each task; NaN where there are none."""
    totals: dict[str, Tensor] = {}
    for source in prepared.sources:
        for batch in in_order(prepared, split, source):
            logits = network.forward(batch.inputs)
            for task, targets in batch.targets.items():
                sums = sums_of(prepared.tasks[task].kind, logits[task], targets)
                totals[task] = totals[task] + sums if task in totals else sums
    return as_metrics(totals)


def sums_of(kind: str, logits: Tensor, targets: Tensor) -> Tensor:
    """Sum of losses, number right and number labelled: float64 [3, K]."""
    loss = loss_of(kind)
    mean, count = loss.forward(logits, targets)
    return torch.stack([mean.double() * count, loss.correct(logits, targets).double(), count.double()])


def as_metrics(totals: dict[str, Tensor]) -> list[dict[str, float]]:
    """From each task's sums [3, K] to each slot's metrics."""
    slots = next(iter(totals.values())).size(1)
    metrics: list[dict[str, float]] = [{} for _ in range(slots)]
    for task, sums in totals.items():
        for k, (loss, right, count) in enumerate(sums.t().tolist()):
            metrics[k][f"{task}/nll"] = loss / count if count else float("nan")
            metrics[k][f"{task}/accuracy"] = right / count if count else float("nan")
    return metrics
