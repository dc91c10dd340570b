"""What drives a stack on the CPU: a batch, its gradients, and an update of each slot at its rate."""

from collections.abc import Sequence

from torch import Tensor

from pipeline.config import Experiment
from pipeline.data.batches import Batches
from pipeline.data.prepared import Prepared, Split
from pipeline.model import Network, Pass
from pipeline.training.drive import Step
from pipeline.training.optimizers import Optimizer, clip
from pipeline.training.schedules import factor
from pipeline.training.slot import Slot


class HostDrive:
    """On the CPU: see `Drive`.

    Args:
        prepared: What is known of sources and tasks.
        split: The rows.
        experiment: Of any slot.
    """

    def __init__(self, prepared: Prepared, split: Split, experiment: Experiment) -> None:
        self._batches = Batches(prepared, split, experiment.training.batch_size, experiment.data.mix)

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return self._batches.steps

    @property
    def state(self) -> dict[str, Tensor]:
        """Rows of the optimizer by name."""
        return self._optimizer.state

    def open(self, network: Network, slots: Sequence[Slot], done: int) -> None:
        """See `Drive`."""
        self._network, self._slots = network, slots
        self._settings = [slot.experiment.training for slot in slots]
        self._optimizer = Optimizer(self._settings, network.values, network.grads)
        self._optimizer.resume(done * self.steps)

    def epoch(self, step: Step, epoch: int, factors: Sequence[float]) -> None:
        """See `Drive`."""
        streams, data = ([getattr(slot, name) for slot in self._slots] for name in ("stream", "data_stream"))
        for number, batch in enumerate(self._batches.epoch(data, epoch)):
            step(batch, Pass({}, streams, epoch, number))
            clip(self._network.grads, self._settings)
            course = factor(self._settings[0], epoch * self.steps + number, self.steps)
            self._optimizer.step(
                [it.learning_rate * course * own for it, own in zip(self._settings, factors, strict=True)]
            )
