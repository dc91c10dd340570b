"""The two networks of the step times: experiments, data, and the arithmetic of one step."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np

from benchmarks.common.data import Data, prepared_from
from pipeline.config import Experiment, load, with_values
from pipeline.data.prepared import Prepared, PreparedTask, labels_file

REPOSITORY = Path(__file__).parents[1]

_STEPS_ONLY = {
    "data.variant": "full",
    "data.validation": 0.0,
    "training.early_stopping": None,
    "training.epochs": 1000,
    "tuning": None,
}
_DEEP = {
    "tasks": {
        "mnist": {"kind": "multiclass", "source": "mnist"},
        "parity": {"kind": "binary", "source": "mnist"},
        "fashion": {"kind": "multiclass", "source": "fashion_mnist"},
    },
    "model.trunk.widths": [256, 128],
    "model.trunk.norm": "batch",
    "model.trunk.dropout": 0.2,
    "training.optimizer": "adamw",
    "training.weight_decay": 0.01,
    "training.schedule": "one_cycle",
}


@dataclass(frozen=True)
class Case:
    """A network on its data.

    Attributes:
        name: What it is.
        experiment: Its settings.
        prepared: Its data; training rows only.
    """

    name: str
    experiment: Experiment
    prepared: Prepared

    @property
    def steps(self) -> int:
        """Of an epoch."""
        rows = max(source.rows["train"] for source in self.prepared.sources.values())
        return -(-rows // self.experiment.training.batch_size)

    def linear_layers(self) -> Iterator[tuple[int, int, int, bool]]:
        """Rows of a step, inputs, outputs, and whether it is a first layer, of every linear layer."""
        batch = self.experiment.training.batch_size
        rows = batch * len(self.prepared.sources)
        width, first = next(iter(self.prepared.sources.values())).features, True
        for units in self.experiment.model.trunk.widths:
            yield rows, width, units, first
            width, first = units, False
        for task in self.prepared.tasks.values():
            yield batch, width, task.outputs, False

    @property
    def flops(self) -> float:
        """Floating-point operations of the products of one step of one model: forward, and both ways back."""
        return sum(2.0 * rows * i * o * (2 if first else 3) for rows, i, o, first in self.linear_layers())

    @property
    def parameters(self) -> int:
        """Trained values of one model."""
        norm = 2 * sum(self.experiment.model.trunk.widths) if self.experiment.model.trunk.norm != "none" else 0
        return norm + sum(i * o + o for _, i, o, _ in self.linear_layers())


@contextmanager
def flagship(data: Data) -> Iterator[Case]:
    """784-128 with a head of 10 for each of two sources, dropout, Adam."""
    experiment = load("mnist_fashion", _STEPS_ONLY, REPOSITORY)
    with TemporaryDirectory() as folder:
        yield Case("784-128-10, two tasks, Adam", experiment, prepared_from(data, experiment, Path(folder)))


@contextmanager
def deep(data: Data) -> Iterator[Case]:
    """784-256-128 with BatchNorm and three heads (which digit, is it odd, which garment), AdamW, one-cycle."""
    with flagship(data) as plain:
        experiment = with_values(plain.experiment, _DEEP)
        name = "784-256-128 with BatchNorm, three tasks, AdamW, one-cycle"
        yield Case(name, experiment, _with_parity(plain.prepared))


def _with_parity(prepared: Prepared) -> Prepared:
    digits = np.load(prepared.folder / labels_file("mnist", "train"))
    np.save(prepared.folder / labels_file("parity", "train"), digits % 2)
    tasks = {"mnist": prepared.tasks["mnist"], "parity": PreparedTask("binary", "mnist", ("even", "odd"))}
    return Prepared(prepared.folder, prepared.sources, tasks | {"fashion": prepared.tasks["fashion"]})


def precisions() -> tuple[str, ...]:
    """The precisions that an experiment may ask for here: float32, and bfloat16 where it is built."""
    known = get_args(Experiment.model_fields["precision"].annotation)
    return tuple(kind for kind in ("float32", "bfloat16") if kind in known)
