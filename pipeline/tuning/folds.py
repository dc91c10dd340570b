"""Combines the states of a trial's networks, one per fold, into the state of the trial.

The standard error assumes independent folds. They are not, since any two share most of their training rows, and no
unbiased estimate exists (Bengio and Grandvalet 2004, JMLR 5): it overestimates the error of differences between trials,
whose folds are the same rows, and underestimates that of the objective itself.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.training.progress import OBJECTIVE, STANDARD_ERROR
from pipeline.training.slot import SlotState, Status

_STRONGEST: tuple[Status, ...] = ("diverged", "running", "pruned", "finished")
"""A trial's status is the first of these that any of its folds has."""


@dataclass
class FoldedState(SlotState):
    """The state of a trial with one network per fold.

    The metrics of a validation are means over folds; a fold that has stopped before counts with its kept validation.
    The best objective and loss are the means over folds, each at its own kept validation.

    Attributes:
        folds: The states of the networks, in the order of the folds.
    """

    folds: list[SlotState] = field(default_factory=list)

    @property
    def best(self) -> dict[str, float]:
        """The mean metrics of the folds' kept validations."""
        return _mean([state.best for state in self.folds])


def joined(name: str, folds: Sequence[SlotState]) -> SlotState:
    """A trial's state from those of its slots: that of a single slot, or the mean over folds.

    It has come as far as all folds that still train.

    Args:
        name: Name of the trial.
        folds: The states of its slots, one per fold, in the order of the folds.
    """
    if len(folds) == 1:
        return folds[0]
    longest = max(folds, key=lambda state: state.looks)
    looks = range(min((it.looks for it in folds if it.status == "running"), default=longest.looks))
    status = next(it for it in _STRONGEST if any(state.status == it for state in folds))
    return FoldedState(
        name,
        status,
        [_mean([it.history[look] if look < it.looks else it.best for it in folds]) for look in looks],
        best_objective=sum(state.best_objective for state in folds) / len(folds),
        best_loss=sum(state.best_loss for state in folds) / len(folds),
        updates=longest.updates[: len(looks)],
        folds=list(folds),
    )


def _mean(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over folds, and the standard error of the objective's."""
    names = (name for name in metrics[0] if all(name in one for one in metrics))
    means = {name: sum(one[name] for one in metrics) / len(metrics) for name in names}
    objectives = [one[OBJECTIVE] for one in metrics]
    finite = all(map(math.isfinite, objectives))
    return means | {STANDARD_ERROR: statistics.stdev(objectives) / math.sqrt(len(metrics)) if finite else math.nan}
