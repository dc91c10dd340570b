"""The stack: K slots that train as one program, see `pipeline.training.loop`.

Its promises, each held by a test: a slot does not feel its neighbours; a slot can leave; a stack can die and resume.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.config import Experiment
from pipeline.data.augment import Augment
from pipeline.data.batches import Batch, Batches
from pipeline.data.chunks import Chunked
from pipeline.data.class_weights import class_weights
from pipeline.data.prepared import Prepared
from pipeline.data.resident import ResidentBatches
from pipeline.data.rows import Rows, Seen
from pipeline.errors import Failure
from pipeline.model import Pass, loss_of
from pipeline.stacked import On
from pipeline.training.length import length_of
from pipeline.training.optim.batched import BatchedOptimizer
from pipeline.training.optim.per_slot import Optimizer
from pipeline.training.optim.schedules import schedule_factor
from pipeline.training.progress import LARGEST
from pipeline.training.ranks import ALONE, Ranks
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack.accumulation import Accumulation, check_rows
from pipeline.training.stack.cuda_graphs import Record, StepGraphs, cuda_graph
from pipeline.training.stack.gradients import Gradients
from pipeline.training.stack.layout import shapes, validated_rows
from pipeline.training.stack.network import build_network
from pipeline.training.stack.task_losses import TaskLosses
from pipeline.training.stack.watch import Watch
from pipeline.training.tallies import Tally, metrics, tally_of


class Stack:
    """The state of K slots that train together, and what trains them.

    Args:
        prepared: The data, seen through the tasks that are trained.
        slots: K slots of one shape, see `pipeline.training.stack.layout`.
        states: How far each has come, fresh where missing; those that still run have come equally far.
        on: Where to train; by default on the experiment's device, with `auto` on the CPU.
        record: Records a step where calls are batched; by default as a CUDA graph on a GPU.
        ranks: The processes that train it together, each on its chunks of every batch.

    Attributes:
        prepared: The data as the first slot sees them: how they are laid out is the same for all.
        views: The data as the slots see them that still train: those of all, or of each.
        length: How long it trains.
        batches: Of the training rows.
        clock: Number of the step in its epoch, int64 [1] on the device, where calls are batched.
        validation: The rows to validate on, those of all or of each; None where there are none.
        slots: Those that still train.
        progress: Their states, without arrays.
        settings: Their training settings.
        streams: Their sources of chance.
        data_streams: The same for the order of the data.
        network: Theirs; values and buffers are [K, ...].
        gradients: Writes the gradients of a step.
        chunks: Writes those of a step that is cut; None where steps are whole.
        watch: Measures the tasks' gradients, where asked for.
        optimizer: Updates the network.
        graphs: Recorded steps; None where steps are not recorded.
        tallies: Training metrics by task, of whole steps.

    Raises:
        Failure: torch cannot use the device, or the rows do not fit there.
    """

    slots: list[Slot]
    progress: list[SlotState]
    _best: tuple[Tensor, Tensor]

    def __init__(
        self,
        prepared: Prepared,
        slots: Sequence[Slot],
        states: dict[str, SlotState] | None = None,
        on: On | None = None,
        record: Record | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        assert len(set(shapes(prepared, slots))) == 1
        first = slots[0].experiment
        self._seen = list(dict.fromkeys((slot.replicate, slot.fold) for slot in slots))
        self._views = [prepared.view(*it) for it in self._seen]
        self.prepared = self._views[0]
        self.ranks = ranks
        self.on = on or On.named("cuda" if first.device == "cuda" else "cpu")
        self.length = length_of(self.prepared, first)
        self.batches: Batches | ResidentBatches = _batches(self._views, first, self.on)
        self.clock = self.batches.clock if isinstance(self.batches, ResidentBatches) else None
        self._augment = Augment(self.prepared, first.training) if first.training.augment else None
        counts = validated_rows(prepared, *self._seen[0])
        self._held_out = [_held_out(view, counts, self.on) for view in self._views if first.validates]
        self._losses = {task: loss_of(first.tasks[task], self.on.device) for task in self.prepared.tasks}
        self._record = record or (cuda_graph if self.on.device == "cuda" else None)
        self._left: dict[str, SlotState] = {}
        self._open(list(slots), {slot.name: SlotState(slot.name) for slot in slots} | (states or {}))

    @property
    def running(self) -> list[str]:
        """Names of the slots that still train."""
        return [slot.name for slot in self.slots]

    def begin(self, epoch: int, steps: range) -> None:
        """Set the learning rates, and on a device the random draws, before some steps of an epoch."""
        per_epoch, updates = self.batches.steps, self.length.updates
        schedule_factors = [
            schedule_factor(self.settings[0], epoch * per_epoch + step, updates, per_epoch) if step in steps else 0.0
            for step in range(per_epoch)
        ]
        plateau_factors = [state.plateau_factor for state in self.progress]
        self.optimizer.begin(schedule_factors, plateau_factors)
        if self.watch:
            self.watch.begin(schedule_factors, plateau_factors)
        if self.on.batched:
            self.network.begin(self.streams, epoch)

    def batch(self, drawn: Any, this: Pass) -> Batch:
        """The batch of a step, from what `batches.epoch` drew for it."""
        batch: Batch = self.batches.batch(drawn) if isinstance(self.batches, ResidentBatches) else drawn
        return self._augment(batch, self.streams, this.epoch, this.step) if self._augment else batch

    def drawn(self, epoch: int, steps: range) -> Iterator[Any]:
        """What makes the batch of each of some steps of an epoch, for `batch` or `chunked`."""
        if self.chunks is None or isinstance(self.batches, ResidentBatches):
            return self.batches.epoch(self.data_streams, epoch, steps)
        return self.batches.chunked(self.data_streams, epoch, self.settings[0].chunks, steps)

    def chunked(self, drawn: Any, this: Pass) -> Chunked:
        """The batch of a step in chunks."""
        parts = self.settings[0].chunks
        batch = self.batches.chunked(drawn, parts) if isinstance(self.batches, ResidentBatches) else drawn
        if self._augment:
            return batch.changed(partial(self._augment.changed, streams=self.streams, epoch=this.epoch, step=this.step))
        return batch

    def summaries(self) -> list[dict[str, float]]:
        """Each slot's training metrics over the steps since the last call."""
        watched = self.watch.summaries() if self.watch else [{} for _ in self.slots]
        counted = self.chunks.summaries() if self.chunks else metrics(self.tallies)
        summaries = zip(counted, self.gradients.summaries(), watched, strict=True)
        return [of_rows | weights | seen for of_rows, weights, seen in summaries]

    def finite(self) -> list[bool]:
        """Which slots have finite values, none of them absurdly large."""
        finite = (self.network.values.abs() <= LARGEST).all(1) & self.network.buffers.isfinite().all(1)
        return finite.tolist()  # type: ignore[no-any-return]

    def keep(self, which: Sequence[bool]) -> None:
        """Keep the weights of these slots as their best."""
        mask = torch.tensor(which, device=self.on.device).unsqueeze(1)
        for best, rows in zip(self._best, (self.network.values, self.network.buffers), strict=True):
            torch.where(mask, rows, best, out=best)

    def leave(self, names: Iterable[str]) -> None:
        """Remove slots, pruned if they still ran; their best weights stay in `states`."""
        going = set(names) & set(self.running)
        if not going:
            return
        for k, state in enumerate(self.progress):
            if state.name in going:
                state.status = "pruned" if state.status == "running" else state.status
                best = zip(("values", "buffers"), self._best, strict=True)
                state.arrays = {f"best.{name}": _copied(rows[k]) for name, rows in best}
                self._left[state.name] = state
        stay = [k for k, slot in enumerate(self.slots) if slot.name not in going]
        self.slots = [self.slots[k] for k in stay]
        self.progress = [self.progress[k] for k in stay]
        if stay:
            self._build({name: rows[stay] for name, rows in self.rows().items()})

    def states(self) -> list[SlotState]:
        """A copy of every slot's state with its arrays: what a checkpoint keeps, and what the end leaves."""
        rows = self.rows().items() if self.slots else ()
        running = [
            _copy(state, {name: _copied(stacked[k]) for name, stacked in rows}) for k, state in enumerate(self.progress)
        ]
        return [*self._left.values(), *running]

    def rows(self) -> dict[str, Tensor]:
        """All stacked tensors by name, a row a slot."""
        optimizer = {f"optimizer.{name}": rows for name, rows in self.optimizer.state.items()}
        network = {"values": self.network.values, "buffers": self.network.buffers}
        balancer = {f"balancer.{name}": rows for name, rows in self.gradients.state.items()}
        return network | optimizer | balancer | {"best.values": self._best[0], "best.buffers": self._best[1]}

    def _open(self, slots: list[Slot], states: dict[str, SlotState]) -> None:
        """Stack the running slots, from their rows or fresh."""
        for slot in slots:
            if states[slot.name].status != "running":
                self._left[slot.name] = states[slot.name]
        self.slots = [slot for slot in slots if states[slot.name].status == "running"]
        # Copies: what was handed in, such as a checkpoint, stays as it was.
        self.progress = [_copy(states[slot.name], {}) for slot in self.slots]
        if not self.slots:
            return
        assert len({state.looks for state in self.progress}) == 1
        self._build()
        for k, slot in enumerate(self.slots):
            for name, row in states[slot.name].arrays.items():
                self.rows()[name][k] = torch.from_numpy(row)

    def _build(self, stacked: dict[str, Tensor] | None = None) -> None:
        """Make the program of the slots there are, from stacked rows or from initial ones."""
        experiments = [slot.experiment for slot in self.slots]
        self.settings = [experiment.training for experiment in experiments]
        self.streams, self.data_streams = [it.stream for it in self.slots], [it.data_stream for it in self.slots]
        whose = [self._seen.index((slot.replicate, slot.fold)) for slot in self.slots]
        whose = whose[:1] if len(set(whose)) == 1 else whose
        self.views = [self._views[it] for it in whose]
        self.validation = Seen([self._held_out[it] for it in whose]) if self._held_out else None
        self.batches.serve(whose)
        self.network = build_network(self.prepared, experiments)
        if stacked:
            self.network.bind(stacked["values"], stacked["buffers"], self.on)
        else:
            self.network.initialise(self.streams, self.on)
        optimizer: type[BatchedOptimizer | Optimizer] = BatchedOptimizer if self.on.batched else Optimizer
        self.optimizer = optimizer(self.settings, self.network.values, self.network.grads)
        self.optimizer.resume(self.progress[0].done)
        self.graphs = StepGraphs(self._record) if self._record and self._recordable() else None
        losses = TaskLosses(self._losses, len(experiments), self.on.device)
        self.gradients = Gradients(self.network, losses, [experiment.balancing for experiment in experiments])
        watched = self.settings[0].watch and len(self._losses) > 1
        self.watch = Watch(self.network, losses, self.settings) if watched else None
        self.tallies, chunks = self._made_tallies(), self.settings[0].chunks
        self.chunks: Accumulation | None = None
        if chunks > 1:
            check_rows(self.network, self.batches.largest, chunks)
            self.chunks = Accumulation(self.network, losses, self.gradients, chunks, self.ranks, self._made_tallies)
        self._best = (self.network.values.clone(), self.network.buffers.clone())
        for name, rows in (stacked or {}).items():
            self.rows()[name].copy_(rows)

    def _made_tallies(self) -> dict[str, Tally]:
        return {task: tally_of([it.tasks[task] for it in self.views], self.on) for task in self._losses}

    def _recordable(self) -> bool:
        """Whether every step makes the same calls, which need nothing from the host."""
        experiment = self.slots[0].experiment
        if any(experiment.tasks[task].own_loss for task in self.prepared.tasks) or self._augment:
            return False  # a user-defined loss may run anything; images are augmented on the host
        if experiment.balancing.method != "fixed" or experiment.training.watch or experiment.training.chunks > 1:
            return False  # other methods draw, or solve on the host; a watched step makes other calls, as do chunks
        return all(part.recordable for _, layer in self.network.layers() for part in layer.parts())


def _batches(views: Sequence[Prepared], experiment: Experiment, on: On) -> Batches | ResidentBatches:
    """The training rows as the device wants them."""
    splits, size, data = [it.split("train") for it in views], experiment.training.batch_size, experiment.data
    each = [class_weights(it, experiment.tasks) for it in views]
    weights = {task: torch.stack([it[task] for it in each]) for task in each[0]}
    if not on.batched:
        return Batches(views[0], splits, size, data.mix, weights, data.effective_temperature)
    if on.device == "cuda" and not torch.cuda.is_available():
        raise Failure(f"device=cuda: torch {torch.__version__} finds no GPU it can use here; use device=cpu")
    return ResidentBatches(views[0], splits, size, data.mix, on.device, weights, data.effective_temperature)


def _held_out(prepared: Prepared, counts: Mapping[str, int], on: On) -> Rows:
    """The validation rows, so many of each source."""
    source_of = {name: task.source for name, task in prepared.tasks.items()}
    rows = Rows.of(prepared.split("validation")).padded(counts, source_of)
    return rows.gathered().to(on.device) if on.batched else rows


def _copy(state: SlotState, arrays: dict[str, np.ndarray]) -> SlotState:
    return replace(state, history=[*state.history], updates=[*state.updates], arrays=arrays)


def _copied(row: Tensor) -> np.ndarray:
    return row.to("cpu", copy=True).numpy()  # type: ignore[no-any-return]
