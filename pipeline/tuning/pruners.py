"""Pruners: decide for all trials of a batch at once after a validation, from their numbers and values alone."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

Curves = Mapping[int, Sequence[float]]
"""Objectives of validations 1, 2, ... by trial number, for the batch's finite trials in the last stretch. A
trial that stopped early at its end is included in the comparison, though it cannot be pruned any more."""

Pruner = Callable[[Curves, Sequence[FrozenTrial]], list[int]]
"""Maps the batch's curves and the trials of earlier batches to the numbers of the trials to prune."""

Waits = Callable[[int], bool]
"""Whether the trials of a batch wait for each other after a validation, by its number, since some may be pruned."""

_FIRST_RUNG = 2  # validations
_REDUCTION = 2
_STARTUP_TRIALS = 5


def halving(curves: Curves, earlier: Sequence[FrozenTrial]) -> list[int]:
    """Synchronous successive halving (Jamieson & Talwalkar 2016; the brackets' inner loop of Li et al. 2018).

    Rungs are after 2, 4, 8, ... validations. At a rung a trial continues if it is in the better half (rounded up) of
    all values at this rung, those of the batch and those of earlier batches' trials that reached it; ties go to the
    lower number. So the best value at a rung always continues, but a batch that is worse than earlier ones may lose all
    its trials. Unlike Optuna's pruner, which is asynchronous (Li et al. 2020), the result does not depend on the order
    in which trials arrive.

    >>> halving({4: [0.5, 0.6], 5: [0.5, 0.7], 6: [0.4, 0.4]}, [])
    [6]
    """
    look = _look(curves)
    if not _is_rung(look):
        return []
    values = {trial.number: trial.intermediate_values[look] for trial in earlier if look in trial.intermediate_values}
    values |= {number: curve[-1] for number, curve in curves.items()}
    ranked = sorted(values, key=lambda number: (-values[number], number))
    return sorted(set(curves) - set(ranked[: -(-len(ranked) // _REDUCTION)]))


def median(curves: Curves, earlier: Sequence[FrozenTrial]) -> list[int]:
    """Optuna's median rule (Golovin et al. 2017): a trial is pruned if its best value so far is below the median of
    the values that earlier batches' complete trials had at this validation. It starts after five complete trials.
    """
    look = _look(curves)
    complete = [trial.intermediate_values for trial in earlier if trial.state == TrialState.COMPLETE]
    at_look = [values[look] for values in complete if look in values]
    if len(complete) < _STARTUP_TRIALS or not at_look:
        return []
    limit = statistics.median(at_look)
    return sorted(number for number, curve in curves.items() if max(curve) < limit)


def none(curves: Curves, earlier: Sequence[FrozenTrial]) -> list[int]:
    """Prune no trial."""
    return []


PRUNERS: dict[str, Pruner] = {"halving": halving, "median": median, "none": none}

WAITS: dict[str, Waits] = {
    "halving": lambda look: _is_rung(look), "median": lambda look: True, "none": lambda look: False,
}  # fmt: skip


def expected_share(pruner: str, looks: Sequence[int]) -> float:
    """The expected share of its updates for which a trial is trained.

    Halving lets half of the trials pass each rung; for the others nothing is saved for sure.

    >>> expected_share("halving", [10, 20, 30, 40])
    0.75

    Args:
        pruner: Name of the pruner.
        looks: Numbers of updates at which the network is validated, including the last.
    """
    if pruner != "halving":
        return 1.0
    share, total, before = 1.0, 0.0, 0
    for look, updates in enumerate(looks, start=1):
        total += share * (updates - before)
        share, before = share / (_REDUCTION if _is_rung(look) else 1), updates
    return total / looks[-1]


def _look(curves: Curves) -> int:
    return max(map(len, curves.values()), default=0)


def _is_rung(look: int) -> bool:
    rung = _FIRST_RUNG
    while rung < look:
        rung *= _REDUCTION
    return rung == look
