"""The stack: K slots that train as one program.

Its promises, each held by a test: a slot does not feel its neighbours; a slot can leave; a stack can die and resume.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pipeline.config import Experiment
from pipeline.data.batches import Batch, Rows
from pipeline.data.prepared import Prepared
from pipeline.model import Conditioning, Network, Pass, TaskShape, build, loss_of
from pipeline.stacked import On
from pipeline.training.assess import assess
from pipeline.training.descent import Descent
from pipeline.training.device_drive import DeviceDrive
from pipeline.training.drive import Drive
from pipeline.training.graph import Record, cuda_graph
from pipeline.training.host_drive import HostDrive
from pipeline.training.progress import LARGEST, note_look
from pipeline.training.slot import Slot, SlotState
from pipeline.training.tallies import Tally, metrics, tally_of
from pipeline.training.task_losses import TaskLosses
from pipeline.training.watch import Watch


class Stack:
    """Trains its slots from one look at validation to the next.

    Args:
        prepared: The data, seen through the tasks that are trained.
        slots: K slots of one shape.
        states: How far each has come, fresh where missing; those that still run have come equally far.
        on: Where to train; by default on the experiment's device, with `auto` on the CPU.
        record: Records a step where calls are batched; by default as a CUDA graph on a GPU.
    """

    def __init__(
        self,
        prepared: Prepared,
        slots: Sequence[Slot],
        states: dict[str, SlotState] | None = None,
        on: On | None = None,
        record: Record | None = None,
    ) -> None:
        assert len({slot.shape() for slot in slots}) == 1
        first = slots[0].experiment
        self._prepared = prepared = prepared.holding_out(slots[0].fold)
        self._on = on or On.named("cuda" if first.device == "cuda" else "cpu")
        self._drive = self._driven(prepared, first, record)
        self._validation = None
        if first.validates:
            self._validation = Rows.of(prepared.split("validation"), self._on.device)
        self._losses = {task: loss_of(first.tasks[task], self._on.device) for task in prepared.tasks}
        self._slots: list[Slot] = []
        self._states: list[SlotState] = []
        self._left: dict[str, SlotState] = {}
        self._open(list(slots), {slot.name: SlotState(slot.name) for slot in slots} | (states or {}))

    @property
    def running(self) -> list[str]:
        """Names of the slots that still train."""
        return [slot.name for slot in self._slots]

    def advance(self) -> list[SlotState]:
        """Train every running slot up to its next look, and answer their states; those that are done leave the stack.

        A stretch, from one look to the next, is an epoch where the length is given in epochs.
        """
        if not self._slots:
            return []
        trained = self.train()
        validated = assess(self._network, self._prepared, self._validation) if self._validation else None
        finite = self._finite()
        kept = []
        for k, state in enumerate(self._states):
            found = {f"train/{key}": value for key, value in trained[k].items()}
            if validated:
                found |= {f"validation/{key}": value for key, value in validated[k].items()}
            kept.append(note_look(state, found, self._settings[k], self._drive.length, finite[k]))
        mask = torch.tensor(kept, device=self._on.device).unsqueeze(1)
        for best, rows in zip(self._best, (self._network.values, self._network.buffers), strict=True):
            torch.where(mask, rows, best, out=best)
        states = list(self._states)
        self.leave([state.name for state in states if state.status != "running"])
        return states

    def train(self) -> list[dict[str, float]]:
        """The updates of a stretch and nothing else: each slot's training metrics over its rows. No state changes."""
        self._factors = [state.plateau_factor for state in self._states]
        updates = self._drive.length.stretch(self._states[0].looks)
        self._drive.run(self._step, self._descent.after, updates, self._factors)
        seen = self._watch.told() if self._watch else [{} for _ in self._slots]
        told = zip(metrics(self._tallies), self._descent.told(), seen, strict=True)
        return [found | own | watched for found, own, watched in told]

    def leave(self, names: Iterable[str]) -> None:
        """Cut slots out, pruned if they still ran; the weights they keep stay to be asked for."""
        going = set(names) & set(self.running)
        if not going:
            return
        for k, state in enumerate(self._states):
            if state.name in going:
                state.status = "pruned" if state.status == "running" else state.status
                state.arrays = self._kept(k)
                self._left[state.name] = state
        stay = [k for k, slot in enumerate(self._slots) if slot.name not in going]
        self._slots = [self._slots[k] for k in stay]
        self._states = [self._states[k] for k in stay]
        if stay:
            self._build({name: rows[stay] for name, rows in self._rows().items()})

    def states(self) -> list[SlotState]:
        """A copy of every slot's state with its arrays: what a checkpoint keeps, and what the end leaves."""
        return [*self._left.values(), *(self._state(k) for k in range(len(self._slots)))]

    def _driven(self, prepared: Prepared, experiment: Experiment, record: Record | None) -> Drive:
        split, device = prepared.split("train"), self._on.device
        if self._on.batched:
            return DeviceDrive(
                prepared, split, experiment, device, record or (cuda_graph if device == "cuda" else None)
            )
        return HostDrive(prepared, split, experiment)

    def _open(self, slots: list[Slot], states: dict[str, SlotState]) -> None:
        """Stack the running slots, from their rows or fresh."""
        for slot in slots:
            if states[slot.name].status != "running":
                self._left[slot.name] = states[slot.name]
        self._slots = [slot for slot in slots if states[slot.name].status == "running"]
        # Copies: what was handed in, such as a checkpoint, stays as it was.
        self._states = [_copy(states[slot.name], {}) for slot in self._slots]
        if not self._slots:
            return
        assert len({state.looks for state in self._states}) == 1
        self._build()
        for k, slot in enumerate(self._slots):
            for name, row in states[slot.name].arrays.items():
                self._rows()[name][k] = torch.from_numpy(row)

    def _build(self, stacked: dict[str, Tensor] | None = None) -> None:
        """Make the program of the slots there are, from stacked rows or from initial ones."""
        experiments = [slot.experiment for slot in self._slots]
        self._settings = [experiment.training for experiment in experiments]
        self._network = build_network(self._prepared, experiments)
        if stacked:
            self._network.bind(stacked["values"], stacked["buffers"], self._on)
        else:
            self._network.initialise([slot.stream for slot in self._slots], self._on)
        self._drive.open(self._network, self._slots, self._states[0].done)
        losses = TaskLosses(self._losses, len(experiments), self._on.device)
        self._descent = Descent(self._network, losses, [experiment.balancing for experiment in experiments])
        watched = self._settings[0].watch and len(self._losses) > 1
        self._watch = Watch(self._network, losses, self._settings) if watched else None
        self._tallies: dict[str, Tally] = {task: tally_of(it, self._on) for task, it in self._prepared.tasks.items()}
        self._best = (self._network.values.clone(), self._network.buffers.clone())
        for name, rows in (stacked or {}).items():
            self._rows()[name].copy_(rows)

    def _rows(self) -> dict[str, Tensor]:
        """All stacked tensors by name, a row a slot."""
        optimizer = {f"optimizer.{name}": rows for name, rows in self._drive.state.items()}
        network = {"values": self._network.values, "buffers": self._network.buffers}
        balancer = {f"balancer.{name}": rows for name, rows in self._descent.state.items()}
        return network | optimizer | balancer | {"best.values": self._best[0], "best.buffers": self._best[1]}

    def _state(self, k: int) -> SlotState:
        return _copy(self._states[k], {name: _copied(rows[k]) for name, rows in self._rows().items()})

    def _kept(self, k: int) -> dict[str, np.ndarray]:
        return {f"best.{name}": _copied(rows[k]) for name, rows in zip(("values", "buffers"), self._best, strict=True)}

    def _finite(self) -> list[bool]:
        """Which slots have come out of their last update with finite values, none of them absurdly large."""
        finite = (self._network.values.abs() <= LARGEST).all(1) & self._network.buffers.isfinite().all(1)
        return finite.tolist()  # type: ignore[no-any-return]

    def _step(self, batch: Batch, this: Pass) -> None:
        """The gradients of every slot, and what is counted of its losses."""
        if self._watch and self._watch.due(this.step):
            at = this.epoch, this.step
            self._watch(batch, this, self._drive.rates(*at, self._factors), self._drive.state, self._drive.done(*at))
        if self._descent.apart:
            this = replace(this, apart=True)
        logits = self._network.forward(batch.inputs, this)
        for task, tally in self._tallies.items():
            tally.take(logits[task], batch.targets[task])
        self._descent(logits, batch, this)


def _copy(state: SlotState, arrays: dict[str, np.ndarray]) -> SlotState:
    return replace(state, history=[*state.history], updates=[*state.updates], arrays=arrays)


def _copied(row: Tensor) -> np.ndarray:
    return row.to("cpu", copy=True).numpy()  # type: ignore[no-any-return]


def build_network(prepared: Prepared, experiments: Sequence[Experiment]) -> Network:
    """The network for the slots of these experiments, without values."""
    shapes = {
        name: TaskShape(
            task.source,
            it.features,
            task.outputs,
            it.scale,
            it.shape,
            it.categories,
            it.ids,
            task.kind == "tagging",
            it.frame,
        )
        for name, task in prepared.tasks.items()
        for it in [prepared.sources[task.source]]
    }
    models = [experiment.model for experiment in experiments]
    return build(
        models[0].sharing,
        [model.trunk for model in models],
        [model.head for model in models],
        shapes,
        experiments[0].precision,
        conditioning(prepared, experiments),
    )


def conditioning(prepared: Prepared, experiments: Sequence[Experiment]) -> Conditioning | None:
    """What the slots of these experiments tell their network of preferences; None where there is nothing to prefer."""
    first = experiments[0].balancing
    if len(prepared.tasks) == 1 or not first.conditions:
        return None
    shares = first.preferred(list(experiments[0].tasks))
    tasks = tuple(prepared.tasks)
    alphas = [experiment.balancing.values()["alpha"] for experiment in experiments]
    return Conditioning(tasks, tuple(shares[task] for task in tasks), alphas)
