"""What drives a stack through an epoch: batches, learning rates and updates around its steps."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor

from pipeline.config.training import TrainingSettings
from pipeline.data.augment import Augment
from pipeline.data.batches import Batch, Batches
from pipeline.data.resident import ResidentBatches
from pipeline.model import Network, Pass
from pipeline.training.batched_optimizers import BatchedOptimizer
from pipeline.training.optimizers import Optimizer
from pipeline.training.schedules import factor
from pipeline.training.slot import Slot

Step = Callable[[Batch, Pass], None]
"""Leaves the gradients of a batch in the network, and counts its losses."""


class Drive(ABC):
    """Drives a stack."""

    _augment: Augment | None = None
    _batches: Batches | ResidentBatches
    _optimizer: Optimizer | BatchedOptimizer

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return self._batches.steps

    @property
    def state(self) -> dict[str, Tensor]:
        """Rows [K, P] of the optimizer by name."""
        return self._optimizer.state

    def open(self, network: Network, slots: Sequence[Slot], done: int) -> None:
        """Drive this network from now on, with an optimizer at its start; `done` epochs are behind it."""
        self._network, self._slots = network, slots
        self._settings: list[TrainingSettings] = [slot.experiment.training for slot in slots]
        self._make_optimizer()
        self._optimizer.resume(done * self.steps)

    def rates(self, epoch: int, step: int, factors: Sequence[float]) -> list[float]:
        """Each slot's learning rate in a step of an epoch, multiplied by its own factor."""
        course = factor(self._settings[0], self.done(epoch, step), self.steps)
        return [it.learning_rate * course * own for it, own in zip(self._settings, factors, strict=True)]

    def done(self, epoch: int, step: int) -> int:
        """Updates before a step of an epoch."""
        return epoch * self.steps + step

    @abstractmethod
    def epoch(self, step: Step, after: Step, epoch: int, factors: Sequence[float]) -> None:
        """One epoch of updates, each slot's rate multiplied by its own factor; `after` follows each update."""

    @abstractmethod
    def _make_optimizer(self) -> None:
        """One for the network and the settings at hand."""
