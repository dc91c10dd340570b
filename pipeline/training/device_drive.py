"""What drives a stack on a GPU: nothing in a stretch waits for the device, and each step is a graph that is replayed.

Rows, row numbers, rates, the step's number and all counts lie on the device; the host sends row numbers ahead and reads
the counts at the end of the stretch.
"""

from collections.abc import Sequence
from functools import partial

import torch

from pipeline.config import Experiment
from pipeline.data.augment import Augment
from pipeline.data.class_weights import class_weights
from pipeline.data.prepared import Prepared, Split
from pipeline.data.resident import ResidentBatches
from pipeline.errors import Failure
from pipeline.model import Pass
from pipeline.training.batched_optimizers import BatchedOptimizer
from pipeline.training.drive import Drive, Step
from pipeline.training.graph import Record, Recorded


class DeviceDrive(Drive):
    """On a device with batched calls: see `Drive`.

    Args:
        prepared: What is known of sources and tasks.
        split: The rows, which are copied to the device.
        experiment: Of any slot.
        device: As torch names it.
        record: Records a step; None where steps are not recorded.

    Raises:
        Failure: torch cannot use the device, or the rows do not fit there.
    """

    def __init__(
        self, prepared: Prepared, split: Split, experiment: Experiment, device: str, record: Record | None
    ) -> None:
        super().__init__(prepared, experiment)
        if device == "cuda" and not torch.cuda.is_available():
            raise Failure(f"device=cuda: torch {torch.__version__} finds no GPU it can use here; use device=cpu")
        size, data = experiment.training.batch_size, experiment.data
        weights = class_weights(prepared, experiment.tasks)
        self._batches: ResidentBatches = ResidentBatches(prepared, split, size, data.mix, device, weights, data.heat)
        own = any(experiment.tasks[task].own_loss for task in prepared.tasks)
        self._record = None if own else record  # nobody knows what a loss of the user's own asks of the device
        if experiment.training.augment:
            self._augment = Augment(prepared, experiment.training)
            self._record = None  # its draws are no part of a graph

    def run(self, step: Step, after: Step, updates: range, factors: Sequence[float]) -> None:
        """See `Drive`.

        Raises:
            Failure: The device has no memory for the buffers of a step.
        """
        try:
            for epoch, steps in self._parts(updates):
                self._epoch(step, after, epoch, steps, factors)
        except torch.OutOfMemoryError:
            raise Failure(
                f"a stack of {len(self._slots)} does not fit on device={self._network.on.device}: set slots to fewer"
            ) from None

    def _epoch(self, step: Step, after: Step, epoch: int, steps: range, factors: Sequence[float]) -> None:
        streams, data = ([getattr(slot, name) for slot in self._slots] for name in ("stream", "data_stream"))
        self._network.begin(streams, epoch)
        self._optimizer.begin(
            [it.learning_rate * own for it, own in zip(self._settings, factors, strict=True)],
            [self._course(epoch, number) if number in steps else 0.0 for number in range(self.steps)],
        )
        for number, sizes in enumerate(self._batches.epoch(data, epoch, steps), steps.start):
            this = Pass({}, streams, epoch, number, self._batches.clock)
            self._run(sizes, partial(self._one, step, after, this, sizes))

    def _one(self, step: Step, after: Step, this: Pass, sizes: tuple[int, ...]) -> None:
        """One step with so many rows of each source."""
        batch = self._batches.batch(sizes)
        if self._augment:
            assert this.streams is not None
            batch = self._augment(batch, this.streams, this.epoch, this.step)
        step(batch, this)
        self._optimizer.step(self._batches.clock)
        after(batch, this)
        self._batches.clock.add_(1)

    def _make_optimizer(self) -> None:
        self._optimizer: BatchedOptimizer = BatchedOptimizer(self._settings, self._network.values, self._network.grads)
        first = self._slots[0].experiment
        fixed = first.balancing.method == "fixed"  # others draw, or ask a solver on the host
        alike = fixed and not first.training.watch  # a step that is watched is another one
        parts = (part for _, layer in self._network.layers() for part in layer.parts())
        recordable = alike and all(part.recordable for part in parts)
        self._run = Recorded[tuple[int, ...]](self._record if recordable else None)
