"""The usual ways with the second network: two hidden layers, BatchNorm, three tasks, AdamW, one-cycle."""

import itertools
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader

from benchmarks.rivals.in_memory import Tensors
from benchmarks.rivals.usual import BATCH, CLASSES, FEATURES

Pairs = Iterable[tuple[Tensor, Tensor, Tensor, Tensor]]
"""Images and labels of both sources, a batch at a time."""


class DeepNetwork(nn.Module):
    """784-256-128 shared; which digit, is it odd, which garment."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Flatten(),
            nn.Linear(FEATURES, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(256, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.digit, self.odd, self.garment = nn.Linear(128, CLASSES), nn.Linear(128, 1), nn.Linear(128, CLASSES)

    def forward(self, digits: Tensor, garments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A batch of each source -> logits of the three tasks; both share the batch statistics."""
        one, other = self.trunk(torch.cat((digits, garments))).split((len(digits), len(garments)))
        return self.digit(one), self.odd(one).squeeze(1), self.garment(other)


class DeepTraining:
    """The network with its optimizer and schedule.

    Args:
        total_steps: Of the schedule.
        fused: Whether AdamW is.
    """

    def __init__(self, total_steps: int, fused: bool | None = None) -> None:
        self.network = DeepNetwork()
        self._optimizer = AdamW(self.network.parameters(), lr=1e-3, fused=fused)
        self._schedule = OneCycleLR(self._optimizer, max_lr=1e-3, total_steps=total_steps)

    def epoch(self, batches: Pairs) -> None:
        """One pass."""
        self.network.train()
        for digits, which, garments, kind in batches:
            digit, odd, garment = self.network(digits, garments)
            loss = (
                cross_entropy(digit, which)
                + binary_cross_entropy_with_logits(odd, (which % 2).float())
                + cross_entropy(garment, kind)
            )
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            self._schedule.step()


def from_loaders(loaders: tuple[DataLoader, DataLoader], steps: int) -> Pairs:
    """So many batches of two DataLoaders."""
    for (x, y), (u, v) in itertools.islice(zip(*loaders, strict=True), steps):
        yield x, y, u, v


def from_memory(rows: Tensors) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """All rows of two sources in memory, in a new order."""
    (x, u), (y, v) = rows
    for i, j in zip(torch.randperm(len(x)).split(BATCH), torch.randperm(len(u)).split(BATCH), strict=True):
        yield x[i], y[i], u[j], v[j]
