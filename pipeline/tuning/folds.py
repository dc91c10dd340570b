"""From the folds of a trial to the trial: what its networks came to, one a fold, read as the state of one.

The standard error takes folds for independent. They are not, since any two share most of what they learn from, and no
estimate is unbiased (Bengio and Grandvalet 2004, JMLR 5): differences between trials, whose folds are the same rows,
are known better than it says, and the objective itself worse.
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
    """How far a trial has come whose folds are networks of their own.

    A look's metrics are means over folds; a fold that had stopped by then counts with the look it keeps. Its best
    objective and loss are the means of those that the folds kept, each at its own look.

    Attributes:
        folds: The states of its networks, in the folds' order.
    """

    folds: list[SlotState] = field(default_factory=list)

    @property
    def best(self) -> dict[str, float]:
        """The metrics of the looks that the folds kept."""
        return _mean([state.best for state in self.folds])


def joined(name: str, folds: Sequence[SlotState]) -> SlotState:
    """A trial's state from those of its slots: of one slot its own, of one a fold their mean.

    Args:
        name: Of the trial.
        folds: One state a slot, in the folds' order.
    """
    if len(folds) == 1:
        return folds[0]
    longest = max(folds, key=lambda state: state.looks)
    looks = range(longest.looks)
    status = next(it for it in _STRONGEST if any(state.status == it for state in folds))
    return FoldedState(
        name,
        status,
        [_mean([it.history[look] if look < it.looks else it.best for it in folds]) for look in looks],
        best_objective=sum(state.best_objective for state in folds) / len(folds),
        best_loss=sum(state.best_loss for state in folds) / len(folds),
        updates=longest.updates,
        folds=list(folds),
    )


def _mean(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over folds, and the standard error of the objective's."""
    names = (name for name in metrics[0] if all(name in one for one in metrics))
    found = {name: sum(one[name] for one in metrics) / len(metrics) for name in names}
    objectives = [one[OBJECTIVE] for one in metrics]
    finite = all(map(math.isfinite, objectives))
    return found | {STANDARD_ERROR: statistics.stdev(objectives) / math.sqrt(len(metrics)) if finite else math.nan}
