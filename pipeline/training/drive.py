"""What drives a stack through an epoch: batches, learning rates and updates around its steps."""

from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor

from pipeline.data.batches import Batch
from pipeline.model import Network, Pass
from pipeline.training.slot import Slot

Step = Callable[[Batch, Pass], None]
"""Leaves the gradients of a batch in the network, and counts its losses."""


class Drive(Protocol):
    """Drives a stack."""

    @property
    def steps(self) -> int:
        """Of an epoch."""

    @property
    def state(self) -> dict[str, Tensor]:
        """Rows [K, P] of the optimizer by name."""

    def open(self, network: Network, slots: Sequence[Slot], done: int) -> None:
        """Drive this network from now on, with an optimizer at its start; `done` epochs are behind it."""

    def epoch(self, step: Step, epoch: int, factors: Sequence[float]) -> None:
        """One epoch of updates, each slot's rate multiplied by its own factor."""
