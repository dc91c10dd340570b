"""How fast this machine trains networks of a shape, by how many are stacked: measured once, and stored.

Times are CPU times of one thread (on a GPU, of the clock), the least of several rounds through all sizes, so that a
busy neighbour changes little. Nothing that is measured here changes a value, only how slots are laid out.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from pipeline.config import Experiment, facts, flatten, with_values
from pipeline.data.plan import plan_of
from pipeline.data.prepared import Prepared, Split
from pipeline.draws import Stream
from pipeline.machine import available_memory, cores, processor
from pipeline.training.loop import train
from pipeline.training.numerics import settle
from pipeline.training.slot import Slot, trial_slot
from pipeline.training.stack.network import build_network
from pipeline.training.stack.stack import Stack
from pipeline.training.workers.memory import slot_memory

SIZES = {"cpu": (1, 2, 4, 8, 16), "cuda": (1, 8, 64, 256)}
"""What is tried, by device."""

BLOCK = 8
"""Networks in a stack where nothing was measured: more gain little."""

_STEPS = 64  # of networks in a sample, or fewer where steps are slow
_SHORT = 16  # where many different ones are timed
_SAMPLE_S = 0.03
_ENOUGH_S = 1.2  # CPU seconds
_PATIENCE_S = 3.0
_EQUAL = 1.03  # times that differ by less may do so by accident
_MULTIPLY_ADDS_PER_S = 3e10  # of a core, roughly


@dataclass(frozen=True)
class Speed:
    """CPU seconds that one network needs for one step, by the size of its stack."""

    seconds: dict[int, float]

    def __str__(self) -> str:
        sizes = ", ".join(f"{seconds * 1e6:.0f} in {size}" for size, seconds in self.seconds.items())
        return f"stacks of {self.size} (microseconds a network and step: {sizes})"

    @property
    def size(self) -> int:
        """That of the fastest stack; of equally fast ones the smallest, which leaves the most cache to others."""
        least = min(self.seconds.values())
        return min(size for size, seconds in self.seconds.items() if seconds <= _EQUAL * least)

    def step_s(self, together: int) -> float:
        """CPU seconds of a step of a network that trains in a stack of about so many."""
        fitting = [size for size in self.seconds if size <= min(together, self.size)]
        return self.seconds[max(fitting, default=min(self.seconds))]


def calibrate(prepared: Prepared, slot: Slot, folder: Path, log: Callable[[str], None]) -> Speed:
    """The speed of stacks of such slots, which is measured where it is not known yet.

    Args:
        prepared: The data, seen through the tasks that are trained.
        slot: One that is to be trained.
        folder: Where measurements are stored.
        log: Called with a line that says what was measured.
    """
    about = _about(prepared.view(slot.replicate, None), slot)
    path = folder / f"{sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]}.json"
    if (known := _read(path)) is not None:
        return known
    speed = measure(prepared, slot)
    log(f"  calibrated: {speed}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"about": about, "seconds": speed.seconds}, indent=1))
    partial.replace(path)
    return speed


def measure(prepared: Prepared, slot: Slot) -> Speed:
    """Train a few steps in stacks of every size that takes neither too long nor too much memory."""
    settle()
    room = available_memory() // 2 // slot_memory(prepared, slot)
    seen = prepared.view(slot.replicate, None)
    step_s = guess(seen, slot.experiment)
    trials: dict[int, _Trial] = {}
    for size in SIZES[_device(slot.experiment)]:
        if size == 1 or (2 * size <= room and 4 * size * step_s < _ENOUGH_S):
            trials[size] = _Trial(seen, slot, size, round(_SAMPLE_S / step_s))
            step_s = min(it.best for it in trials.values())
    spent, began = time.thread_time(), time.monotonic()
    while time.thread_time() - spent < _ENOUGH_S and time.monotonic() - began < _PATIENCE_S:
        for trial in trials.values():
            trial.sample()
    return Speed({size: trial.best for size, trial in trials.items()})


def few(prepared: Prepared, experiment: Experiment, steps: int) -> tuple[Prepared, Experiment]:
    """Data and settings to train so many steps by an epoch, without validation."""
    return _Few.of(prepared, steps * experiment.training.batch_size), _an_epoch(experiment)


def step_samplers(trained: Sequence[tuple[Prepared, Experiment]]) -> list[Callable[[], float]]:
    """Functions that train a few steps of one network each, and return the seconds of a step; CPU seconds but on a GPU.

    Args:
        trained: Data, seen through the tasks that are trained, and settings.
    """
    settle()
    return [
        _Trial(
            prepared, trial_slot(0, experiment), 1, min(_SHORT, round(_SAMPLE_S / guess(prepared, experiment)))
        ).sample
        for prepared, experiment in trained
    ]


def guess(prepared: Prepared, experiment: Experiment) -> float:
    """CPU seconds of a step without measuring: forward and backward are three multiply-adds a row and value."""
    rows = experiment.training.batch_size * len(prepared.sources)
    return 3 * rows * build_network(prepared, [experiment]).count() / _MULTIPLY_ADDS_PER_S


@dataclass(frozen=True)
class _Few(Prepared):
    """The first training rows of prepared data."""

    rows: int = 0

    @classmethod
    def of(cls, prepared: Prepared, rows: int) -> "_Few":
        """So many of each source at most."""
        sources, mixed = (
            {name: replace(it, rows={"train": min(rows, it.rows["train"])}) for name, it in all_.items()}
            for all_ in (prepared.sources, prepared.mixed)
        )
        return cls(prepared.folder, sources, prepared.tasks, mixed=mixed, rows=rows)

    def split(self, name: str) -> Split:
        split = super().split(name)
        inputs, labels, at = (
            {key: rows[: self.rows] for key, rows in arrays.items()}
            for arrays in (split.inputs, split.labels, split.at)
        )
        return Split(inputs | {key: split.inputs[key] for key in at}, labels, at=at)


class _Trial:
    """A stack of some size that is timed: its steps alone, for what a look costs is shared by more of them.

    All sizes train about as many network steps in a sample, so that a busy neighbour interrupts all as often.

    Attributes:
        best: Least CPU seconds of a step of one network so far.
    """

    def __init__(self, prepared: Prepared, like: Slot, size: int, steps: int) -> None:
        experiment = _an_epoch(like.experiment)
        rows = experiment.training.batch_size * max(1, min(steps, _STEPS) // size)
        few = _Few.of(prepared, rows)
        streams = [Stream(0, f"calibration/{number}") for number in range(size)]
        own = _reads_alone(like)
        self._stack = Stack(few, [Slot(it.name, experiment, it, it if own else streams[0]) for it in streams])
        self._steps = plan_of(few, experiment).steps * size
        self._clock = time.monotonic if experiment.device == "cuda" else time.thread_time
        self.best = float("inf")
        self._train()  # makes its buffers
        self.sample()

    def sample(self) -> float:
        """The seconds of a step, of a few that are trained with the stack in the caches that it would lie in."""
        self._train()
        start = self._clock()
        self._train()
        taken = (self._clock() - start) / self._steps
        self.best = min(self.best, taken)
        return taken

    def _train(self) -> None:
        train(self._stack)
        self._stack.summaries()  # a GPU is waited for


def _an_epoch(experiment: Experiment) -> Experiment:
    """One whose stretch is an epoch, without validation."""
    return with_values(
        experiment,
        {
            "data.validation": 0.0, "training.folds": None, "training.early_stopping": None, "training.epochs": 1,
            "training.updates": "auto", "training.schedule": "constant", "training.warmup_epochs": 0.0, "tuning": None,
        },
    )  # fmt: skip


def _reads_alone(slot: Slot) -> bool:
    """Whether its batches are its own."""
    return slot.data_stream == slot.stream or slot.replicate is not None


def _device(experiment: Experiment) -> str:
    return "cuda" if experiment.device == "cuda" else "cpu"


def _about(prepared: Prepared, slot: Slot) -> dict[str, Any]:
    """All that the speed depends on: the machine, and the shape of a step."""
    experiment = slot.experiment
    return {
        "processor": torch.cuda.get_device_name() if experiment.device == "cuda" else processor(),
        "cores": cores(),
        "versions": {name: version(name) for name in ("headway", "torch")},
        "layers": [layer.describe() for _, layer in build_network(prepared, [experiment]).layers()],
        "sources": [source.features for source in prepared.sources.values()],
        "outputs": [task.outputs for task in prepared.tasks.values()],
        "settings": _timed(experiment),
        "rows": plan_of(prepared, experiment).largest,
        "own_batches": _reads_alone(slot),
    }


def _timed(experiment: Experiment) -> dict[str, Any]:
    """The settings on which the time of a step depends; of those in which slots may differ whether they are zero."""
    every = {key: (value, facts(key)) for key, value in flatten(experiment).items()}
    return {
        key: bool(value) if declared.per_slot else value
        for key, (value, declared) in every.items()
        if "train" in declared.read_by and not declared.same_cost
    }


def _read(path: Path) -> Speed | None:
    """A stored measurement; None where there is none that can be read."""
    try:
        seconds = json.loads(path.read_text())["seconds"]
        return Speed({int(size): float(of_size) for size, of_size in seconds.items()}) if seconds else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
