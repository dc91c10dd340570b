"""nn.Module on tensors in memory: no DataLoader, no ToTensor, default Adam; what a careful script does.

python -m benchmarks.rivals.in_memory PREPARED --trials 32 --epochs 10
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam, Optimizer

from benchmarks.rivals.optuna_study import Epoch, command
from benchmarks.rivals.usual import BATCH, SharedNetwork
from pipeline.data.prepared import Prepared

Tensors = tuple[list[Tensor], list[Tensor]]
"""Inputs, float32 [N, F] in [0, 1], and labels, int64 [N], one each a task."""


def train(prepared: Prepared, settings: Mapping[str, Any], epochs: int, at_epoch: Epoch) -> float:
    """Train one network; the mean validation accuracy of the last epoch."""
    rows, held_out = tensors(prepared, "train"), tensors(prepared, "validation")
    network = SharedNetwork(settings["dropout"], len(prepared.tasks))
    optimizer = Adam(network.parameters(), lr=settings["learning_rate"])
    accuracy = float("nan")
    for epoch in range(1, epochs + 1):
        train_epoch(network, optimizer, rows, settings["weights"])
        accuracy = accuracy_of(network, held_out)
        at_epoch(epoch, accuracy)
    return accuracy


def train_epoch(network: nn.Module, optimizer: Optimizer, rows: Tensors, weights: Sequence[float]) -> None:
    """One pass over all rows."""
    inputs, labels = rows
    network.train()
    for chosen in zip(*(torch.randperm(len(x)).split(BATCH) for x in inputs), strict=True):
        logits = network([x[where] for x, where in zip(inputs, chosen, strict=True)])
        wanted = [y[where] for y, where in zip(labels, chosen, strict=True)]
        losses = [weight * cross_entropy(z, y) for weight, z, y in zip(weights, logits, wanted, strict=True)]
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()


@torch.no_grad()
def accuracy_of(network: nn.Module, rows: Tensors) -> float:
    """The mean over tasks of the share that is right."""
    network.eval()
    inputs, labels = rows
    right = [(z.argmax(1) == y).float().mean() for z, y in zip(network(inputs), labels, strict=True)]
    return torch.stack(right).mean().item()


def tensors(prepared: Prepared, split: str) -> Tensors:
    """All rows of a split in memory."""
    rows = prepared.split(split)
    inputs = {source: torch.from_numpy(x) / prepared.sources[source].scale for source, x in rows.inputs.items()}
    labels = [torch.from_numpy(y) for y in rows.labels.values()]
    return [inputs[task.source] for task in prepared.tasks.values()], labels


if __name__ == "__main__":
    command(train)()
