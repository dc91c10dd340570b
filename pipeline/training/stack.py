"""The stack: K slots that train as one program.

Its promises, each held by a test: a slot does not feel its neighbours; a slot can leave; a stack can die and resume.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pipeline.balance import Fixed
from pipeline.config import Experiment
from pipeline.data.batches import Batch, Batches
from pipeline.data.prepared import Prepared
from pipeline.model import Network, Pass, TaskShape, build, loss_of
from pipeline.training.assess import Tally, assess, metrics
from pipeline.training.optimizers import Optimizer, clip
from pipeline.training.progress import note_epoch
from pipeline.training.schedules import factor
from pipeline.training.slot import Slot, SlotState


class Stack:
    """Trains its slots an epoch at a time.

    Args:
        prepared: The data, seen through the tasks that are trained.
        slots: K slots of one shape.
        states: How far each has come, fresh where missing; those that still run have come equally far.
    """

    def __init__(self, prepared: Prepared, slots: Sequence[Slot], states: dict[str, SlotState] | None = None) -> None:
        assert len({slot.shape() for slot in slots}) == 1
        self._prepared = prepared
        self._train, self._validation = prepared.split("train"), None
        if slots[0].experiment.data.validation > 0.0:
            self._validation = prepared.split("validation")
        first = slots[0].experiment
        self._batches = Batches(prepared, self._train, first.training.batch_size, first.data.mix)
        self._losses = {task: loss_of(it.kind) for task, it in prepared.tasks.items()}
        self._left: dict[str, SlotState] = {}
        self._open(list(slots), {slot.name: SlotState(slot.name) for slot in slots} | (states or {}))

    @property
    def running(self) -> list[str]:
        """Names of the slots that still train."""
        return [slot.name for slot in self._slots]

    def epoch(self) -> list[SlotState]:
        """Train every running slot for one epoch, and answer their states; those that are done leave the stack."""
        if not self._slots:
            return []
        epoch = self._states[0].epoch
        trained = self._pass(epoch)
        validated = assess(self._network, self._prepared, self._validation) if self._validation else None
        finite = self._finite()
        for k, state in enumerate(self._states):
            found = {f"train/{key}": value for key, value in trained[k].items()}
            if validated:
                found |= {f"validation/{key}": value for key, value in validated[k].items()}
            if note_epoch(state, found, self._settings[k], finite[k]):
                self._best[0][k], self._best[1][k] = self._network.values[k], self._network.buffers[k]
        states = list(self._states)
        self.leave([state.name for state in states if state.status != "running"])
        return states

    def leave(self, names: Iterable[str]) -> None:
        """Cut slots out, pruned if they still ran; their kept epoch stays to be asked for."""
        going = set(names) & set(self.running)
        if not going:
            return
        for k, state in enumerate(self._states):
            if state.name in going:
                state.status = "pruned" if state.status == "running" else state.status
                state.arrays = self._kept(k)
                self._left[state.name] = state
        stay = [k for k, slot in enumerate(self._slots) if slot.name not in going]
        states = {self._states[k].name: self._state(k) for k in stay}
        self._open([self._slots[k] for k in stay], states)

    def states(self) -> list[SlotState]:
        """A copy of every slot's state with its arrays: what a checkpoint keeps, and what the end leaves."""
        return [*self._left.values(), *(self._state(k) for k in range(len(self._slots)))]

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
        assert len({state.epoch for state in self._states}) == 1
        experiments = [slot.experiment for slot in self._slots]
        self._settings = [experiment.training for experiment in experiments]
        self._network = build_network(self._prepared, experiments)
        self._network.initialise([slot.stream for slot in self._slots])
        self._optimizer = Optimizer(self._settings, self._network.values, self._network.grads)
        tasks = list(self._prepared.tasks)
        self._balancer = Fixed.of([experiment.balancing.normalised(tasks) for experiment in experiments])
        self._tallies = {task: Tally() for task in tasks}
        self._best = (self._network.values.clone(), self._network.buffers.clone())
        for k, slot in enumerate(self._slots):
            for name, row in states[slot.name].arrays.items():
                self._rows()[name][k] = torch.from_numpy(row)
        self._optimizer.resume(self._states[0].epoch * self._batches.steps)

    def _rows(self) -> dict[str, Tensor]:
        """All stacked tensors by name, a row a slot."""
        optimizer = {f"optimizer.{name}": rows for name, rows in self._optimizer.state.items()}
        network = {"values": self._network.values, "buffers": self._network.buffers}
        return network | optimizer | {"best.values": self._best[0], "best.buffers": self._best[1]}

    def _state(self, k: int) -> SlotState:
        return _copy(self._states[k], {name: rows[k].numpy().copy() for name, rows in self._rows().items()})

    def _kept(self, k: int) -> dict[str, np.ndarray]:
        return {
            f"best.{name}": rows[k].numpy().copy() for name, rows in zip(("values", "buffers"), self._best, strict=True)
        }

    def _finite(self) -> list[bool]:
        """Which slots have come out of their last update with finite values."""
        finite = [rows.isfinite().all(1) for rows in (self._network.values, self._network.buffers)]
        return (finite[0] & finite[1]).tolist()  # type: ignore[no-any-return]

    def _pass(self, epoch: int) -> list[dict[str, float]]:
        """One epoch of updates; each slot's training metrics over its rows."""
        streams = [slot.stream for slot in self._slots]
        for step, batch in enumerate(self._batches.epoch([slot.data_stream for slot in self._slots], epoch)):
            self._step(batch, Pass({}, streams, epoch, step))
        return metrics(self._tallies)

    def _step(self, batch: Batch, this: Pass) -> None:
        """One update of every slot."""
        logits = self._network.forward(batch.inputs, this)
        means = []
        for task, loss in self._losses.items():
            targets = batch.targets[task]
            rows, predicted = self._tallies[task].room(targets, len(self._slots))
            loss.forward(logits[task], targets, rows)
            loss.predict(logits[task], predicted)
            if "losses" in self._balancer.needs:
                means.append((rows * targets.share).sum(1))
        weights = self._balancer.weights(torch.stack(means, 1) if means else None).unbind(1)
        self._network.backward(
            {task: loss.backward(weight) for (task, loss), weight in zip(self._losses.items(), weights, strict=True)}
        )
        clip(self._network.grads, self._settings)
        self._optimizer.step(self._rates(this))

    def _rates(self, this: Pass) -> list[float]:
        now = this.epoch * self._batches.steps + this.step
        course = factor(self._settings[0], now, self._batches.steps)
        return [
            it.learning_rate * course * state.plateau_factor
            for it, state in zip(self._settings, self._states, strict=True)
        ]


def _copy(state: SlotState, arrays: dict[str, np.ndarray]) -> SlotState:
    return replace(state, history=[*state.history], arrays=arrays)


def build_network(prepared: Prepared, experiments: Sequence[Experiment]) -> Network:
    """The network for the slots of these experiments, without values."""
    shapes = {
        name: TaskShape(task.source, (it := prepared.sources[task.source]).features, task.outputs, it.scale)
        for name, task in prepared.tasks.items()
    }
    models = [experiment.model for experiment in experiments]
    return build(models[0].sharing, [model.trunk for model in models], [model.head for model in models], shapes)
