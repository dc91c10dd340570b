"""What drives a stack from one look to the next: batches, learning rates and updates around its steps."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from pipeline.config import Experiment
from pipeline.config.training import TrainingSettings
from pipeline.data.augment import Augment
from pipeline.data.batches import Batch, Batches
from pipeline.data.prepared import Prepared
from pipeline.data.resident import ResidentBatches
from pipeline.model import Network, Pass
from pipeline.training.batched_optimizers import BatchedOptimizer
from pipeline.training.length import Length, length_of
from pipeline.training.optimizers import Optimizer
from pipeline.training.schedules import factor
from pipeline.training.slot import Slot

Step = Callable[[Batch, Pass], None]
"""Leaves the gradients of a batch in the network, and counts its losses."""


class Drive(ABC):
    """Drives a stack.

    Args:
        prepared: What is known of sources and tasks.
        experiment: Of any slot.

    Attributes:
        length: How long it trains.
    """

    _augment: Augment | None = None
    _batches: Batches | ResidentBatches
    _optimizer: Optimizer | BatchedOptimizer

    def __init__(self, prepared: Prepared, experiment: Experiment) -> None:
        self.length: Length = length_of(prepared, experiment)

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return self._batches.steps

    @property
    def state(self) -> dict[str, Tensor]:
        """Rows [K, P] of the optimizer by name."""
        return self._optimizer.state

    def open(self, network: Network, slots: Sequence[Slot], done: int) -> None:
        """Drive this network from now on, with an optimizer at its start; `done` updates are behind it."""
        self._network, self._slots = network, slots
        self._settings: list[TrainingSettings] = [slot.experiment.training for slot in slots]
        self._make_optimizer()
        self._optimizer.resume(done)

    def rates(self, epoch: int, step: int, factors: Sequence[float]) -> list[float]:
        """Each slot's learning rate in a step of an epoch, multiplied by its own factor."""
        course = self._course(epoch, step)
        return [it.learning_rate * course * own for it, own in zip(self._settings, factors, strict=True)]

    def done(self, epoch: int, step: int) -> int:
        """Updates before a step of an epoch."""
        return epoch * self.steps + step

    @abstractmethod
    def run(self, step: Step, after: Step, updates: range, factors: Sequence[float]) -> None:
        """Some updates in a row, by number, each slot's rate multiplied by its own factor; `after` follows each."""

    def _course(self, epoch: int, step: int) -> float:
        """What the schedule multiplies all rates by in a step of an epoch."""
        return factor(self._settings[0], self.done(epoch, step), self.length.updates, self.steps)

    def _parts(self, updates: range) -> Iterator[tuple[int, range]]:
        """The epochs that updates fall into, and which of the steps of each."""
        done = updates.start
        while done < updates.stop:
            epoch, first = divmod(done, self.steps)
            last = min(self.steps, updates.stop - epoch * self.steps)
            yield epoch, range(first, last)
            done += last - first

    @abstractmethod
    def _make_optimizer(self) -> None:
        """One for the network and the settings at hand."""
