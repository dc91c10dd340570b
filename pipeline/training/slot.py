"""A slot: one network among K that train as one program, and its state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from pipeline.config import Experiment, facts, flatten
from pipeline.data.prepared import Prepared
from pipeline.draws import Stream

Status = Literal["running", "finished", "pruned", "diverged"]


@dataclass(frozen=True)
class Slot:
    """What a slot trains.

    Attributes:
        name: Its name, `seed/0` or `trial/7`.
        experiment: Its own settings.
        stream: Initial weights and dropout.
        data_stream: Order of the data; slots that share it and see the same rows share each batch.
        fold: That it holds out of its training and is validated on; None where there is a validation split.
        replicate: Whose split it sees where every row tests; None for the one split that there is otherwise.
    """

    name: str
    experiment: Experiment
    stream: Stream
    data_stream: Stream
    fold: int | None = None
    replicate: int | None = None

    def shape(self) -> tuple[tuple[str, Any], ...]:
        """The settings that all slots of a stack must have in common."""
        return tuple(
            (key, str(value))
            for key, value in flatten(self.experiment).items()
            if "study" in (found := facts(key)).read_by and not found.per_slot and not key.startswith("tuning.")
        )


def seed_slots(experiment: Experiment, prepared: Prepared) -> list[Slot]:
    """One slot for each declared seed, see `slots_of`.

    Args:
        experiment: What they train.
        prepared: The data.
    """
    return slots_of([experiment] * experiment.training.seeds, prepared)


def slots_of(experiments: Sequence[Experiment], prepared: Prepared) -> list[Slot]:
    """One slot for each of these experiments, the first with the streams of the first declared seed, and so on.

    Where every row tests, each sees the split of one replicate.
    Under cross-validation the slots hold out one fold after the other, so that together they learn from all rows and
    each is still validated on rows that it has not seen; but where folds are chained in time all hold out the last.

    Args:
        experiments: What each trains.
        prepared: The data.

    Raises:
        ValueError: Every row tests, and the experiments are more or fewer than the replicates.
    """
    replicates = range(len(prepared.replicates)) or [None] * len(experiments)
    if len(experiments) != len(replicates):
        raise ValueError(f"{len(experiments)} networks cannot see {len(replicates)} replicates, one each")
    slots = []
    for index, (experiment, replicate) in enumerate(zip(experiments, replicates, strict=True)):
        stream, folds = Stream(experiment.seed, f"seed/{index}"), experiment.training.folds
        chained = prepared.view(replicate, None).chained
        fold = None if folds is None else folds - 1 if chained else index % folds
        slots.append(Slot(stream.name, experiment, stream, stream, fold, replicate))
    return slots


def replicate_of(number: int, experiment: Experiment) -> int:
    """Which replicate a trial belongs to: trials are dealt out in turn."""
    return number % experiment.replicates


def trial_slot(number: int, experiment: Experiment) -> Slot:
    """The slot of a trial on one split: the trials of a replicate share the order of the data, so they are paired."""
    seed, replicate = experiment.seed, replicate_of(number, experiment)
    return Slot(f"trial/{number}", experiment, Stream(seed, f"trial/{number}"), Stream(seed, f"study/{replicate}"))


def trial_slots(number: int, experiment: Experiment, prepared: Prepared) -> list[Slot]:
    """A trial's slots: one, or under cross-validation one a fold, each with a stream of its own.

    The trials of a replicate share the order of the data fold by fold, so they are paired there too; where every row
    tests, they see its split.
    """
    whole = trial_slot(number, experiment)
    if prepared.replicates:
        whole = replace(whole, replicate=replicate_of(number, experiment))
    folds = experiment.training.folds
    return [whole] if folds is None else [_in_fold(whole, fold) for fold in range(folds)]


def batch_slots(experiments: Mapping[int, Experiment], prepared: Prepared) -> list[Slot]:
    """The slots of trials that train together, by number: fold after fold, so that neighbours can share a stack."""
    trials = [trial_slots(number, experiment, prepared) for number, experiment in experiments.items()]
    return [slot for of_fold in zip(*trials, strict=True) for slot in of_fold]


def _in_fold(whole: Slot, fold: int) -> Slot:
    """A trial's slot that holds out a fold."""
    own, order = (Stream(it.seed, f"{it.name}/fold/{fold}") for it in (whole.stream, whole.data_stream))
    return replace(whole, name=own.name, stream=own, data_stream=order, fold=fold)


@dataclass
class SlotState:
    """How far a slot has come: all that a resume needs, and all that a finished slot leaves.

    Attributes:
        name: Of the slot.
        status: Whether it runs on, and if not, why.
        history: One mapping of metrics for each look at validation so far.
        best_look: Number of the look whose weights are kept, from 1; 0 before the first.
        best_objective: Its validation objective; NaN without a validation split.
        best_loss: Its validation loss; NaN without a validation split.
        waited: Looks since the loss last fell enough.
        plateau_factor: What the plateau schedule multiplies the rate by.
        plateau_waited: Looks since the loss last fell, for the plateau schedule.
        plateau_best: Lowest loss that the plateau schedule has seen.
        updates: How many updates were done by each look.
        arrays: Rows of the stacked tensors by name; of a slot that has left only `best.values` and `best.buffers`.
    """

    name: str
    status: Status = "running"
    history: list[dict[str, float]] = field(default_factory=list)
    best_look: int = 0
    best_objective: float = float("-inf")
    best_loss: float = float("inf")
    waited: int = 0
    plateau_factor: float = 1.0
    plateau_waited: int = 0
    plateau_best: float = float("inf")
    updates: list[int] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def looks(self) -> int:
        """Looks at validation so far; of an experiment that counts epochs, epochs done."""
        return len(self.history)

    @property
    def done(self) -> int:
        """Updates done by the last look."""
        return self.updates[-1] if self.updates else 0

    @property
    def best(self) -> dict[str, float]:
        """The metrics of the look whose weights are kept."""
        return self.history[self.best_look - 1]
