"""What drives a stack on the CPU: a batch, its gradients, and an update of each slot at its rate."""

from collections.abc import Sequence

from pipeline.config import Experiment
from pipeline.data.augment import Augment
from pipeline.data.batches import Batches
from pipeline.data.class_weights import class_weights
from pipeline.data.prepared import Prepared, Split
from pipeline.model import Pass
from pipeline.training.drive import Drive, Step
from pipeline.training.optimizers import Optimizer, clip


class HostDrive(Drive):
    """On the CPU: see `Drive`.

    Args:
        prepared: What is known of sources and tasks.
        split: The rows.
        experiment: Of any slot.
    """

    def __init__(self, prepared: Prepared, split: Split, experiment: Experiment) -> None:
        super().__init__(prepared, experiment)
        size, data = experiment.training.batch_size, experiment.data
        weights = class_weights(prepared, experiment.tasks)
        self._batches: Batches = Batches(prepared, split, size, data.mix, weights, data.heat)
        if experiment.training.augment:
            self._augment = Augment(prepared, experiment.training)

    def run(self, step: Step, after: Step, updates: range, factors: Sequence[float]) -> None:
        """See `Drive`."""
        streams, data = ([getattr(slot, name) for slot in self._slots] for name in ("stream", "data_stream"))
        for epoch, steps in self._parts(updates):
            for number, batch in enumerate(self._batches.epoch(data, epoch, steps), steps.start):
                changed = self._augment(batch, streams, epoch, number) if self._augment else batch
                this = Pass({}, streams, epoch, number)
                step(changed, this)
                clip(self._network.grads, self._settings)
                self._optimizer.step(self.rates(epoch, number, factors))
                after(changed, this)

    def _make_optimizer(self) -> None:
        self._optimizer: Optimizer = Optimizer(self._settings, self._network.values, self._network.grads)
