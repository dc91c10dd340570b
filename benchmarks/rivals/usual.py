"""The usual script: torchvision data sets, ToTensor, a DataLoader a set, an nn.Module, Adam, and Optuna around it.

It trains on the rows that `prepare` chose and evaluates on the same validation rows after every epoch, so that its
values can be held against ours. Nothing in it is slowed down on purpose, and nothing is sped up.

    python -m benchmarks.rivals.usual PREPARED --trials 32 --epochs 10 --log study.jsonl
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from benchmarks.rivals.optuna_study import Epoch, command
from pipeline.data.prepared import Prepared

BATCH, WIDTH, CLASSES, FEATURES = 64, 128, 10, 784


class SharedNetwork(nn.Module):
    """784-128-10 with one head a task."""

    def __init__(self, dropout: float, tasks: int = 2) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, WIDTH), nn.ReLU(), nn.Dropout(dropout))
        self.heads = nn.ModuleList(nn.Linear(WIDTH, CLASSES) for _ in range(tasks))

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """One batch a task -> logits a task."""
        return [head(self.trunk(x)) for head, x in zip(self.heads, inputs, strict=True)]


def train(prepared: Prepared, settings: Mapping[str, Any], epochs: int, at_epoch: Epoch) -> float:
    """Train one network; the mean validation accuracy of the last epoch."""
    network = SharedNetwork(settings["dropout"], len(prepared.tasks))
    optimizer = Adam(network.parameters(), lr=settings["learning_rate"])
    loaders = [DataLoader(it, BATCH, shuffle=True) for it in torchvision_sets(prepared, "train")]
    validation = [DataLoader(it, 1000) for it in torchvision_sets(prepared, "validation")]
    accuracy = float("nan")
    for epoch in range(1, epochs + 1):
        train_epoch(network, optimizer, loaders, settings["weights"])
        accuracy = accuracy_of(network, validation)
        at_epoch(epoch, accuracy)
    return accuracy


def train_epoch(
    network: SharedNetwork,
    optimizer: Optimizer,
    loaders: Sequence[DataLoader],
    weights: Sequence[float],
    steps: int | None = None,
) -> None:
    """One pass over the loaders, or so many steps of it."""
    loss_of = nn.CrossEntropyLoss()
    network.train()
    for step, batches in enumerate(zip(*loaders, strict=True)):
        if step == steps:
            break
        logits = network([x for x, _ in batches])
        losses = [loss_of(z, y) for z, (_, y) in zip(logits, batches, strict=True)]
        loss = sum(weight * one for weight, one in zip(weights, losses, strict=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def accuracy_of(network: SharedNetwork, loaders: Sequence[DataLoader]) -> float:
    """The mean over tasks of the share that is right."""
    network.eval()
    shares = []
    for head, loader in zip(network.heads, loaders, strict=True):
        right = [(head(network.trunk(x)).argmax(1) == y).sum() for x, y in loader]
        shares.append(torch.stack(right).sum().item() / len(loader.dataset))  # type: ignore[arg-type]
    return sum(shares) / len(shares)


def torchvision_sets(prepared: Prepared, split: str) -> Iterator[datasets.MNIST]:
    """Torchvision's own data sets, holding the prepared rows of a split: one a task."""
    rows = prepared.split(split)
    for task, it in prepared.tasks.items():
        found = datasets.MNIST.__new__(datasets.MNIST)  # its files are not read: it is given the rows
        found.data = torch.from_numpy(rows.inputs[it.source]).view(-1, 28, 28)
        found.targets = torch.from_numpy(rows.labels[task])
        found.transform, found.target_transform = transforms.ToTensor(), None
        yield found


if __name__ == "__main__":
    command(train)()
