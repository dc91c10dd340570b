"""Who leaves a batch early: decided for all its trials at once after a look, from numbers and values alone."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

Curves = Mapping[int, Sequence[float]]
"""Objectives of looks 1, 2, ... by trial number: of the batch's trials that took part in the last stretch and are
finite. One that stopped early at its end is among them, and competes, though it cannot be pruned any more."""

Pruner = Callable[[Curves, Sequence[FrozenTrial]], list[int]]
"""From the batch's curves and the trials of earlier batches to the numbers that should leave."""

_FIRST_RUNG = 2  # looks
_REDUCTION = 2
_STARTUP_TRIALS = 5


def halving(curves: Curves, earlier: Sequence[FrozenTrial]) -> list[int]:
    """Synchronous successive halving (Jamieson & Talwalkar 2016; the brackets' inner loop of Li et al. 2018).

    Rungs lie after 2, 4, 8, ... looks. At a rung a trial goes on if it is in the better half (rounded up) of all
    values seen at this rung, those of the batch and those of earlier batches' trials that came as far; of equal ones
    the lower number goes first. So the best value ever seen at a rung goes on, but a batch that is worse than its
    forerunners may lose all its trials. Unlike Optuna's pruner, which is asynchronous (Li et al. 2020), the outcome
    does not depend on who arrives first.
    """
    look = _look(curves)
    if not _is_rung(look):
        return []
    seen = {trial.number: trial.intermediate_values[look] for trial in earlier if look in trial.intermediate_values}
    seen |= {number: curve[-1] for number, curve in curves.items()}
    ranked = sorted(seen, key=lambda number: (-seen[number], number))
    going_on = ranked[: -(-len(ranked) // _REDUCTION)]
    return sorted(set(curves) - set(going_on))


def median(curves: Curves, earlier: Sequence[FrozenTrial]) -> list[int]:
    """Optuna's median rule (Golovin et al. 2017): a trial leaves if its best value so far lies below the median of
    what earlier batches' complete trials had at this look. The first five complete trials are never in danger.
    """
    look = _look(curves)
    complete = [trial.intermediate_values for trial in earlier if trial.state == TrialState.COMPLETE]
    there = [values[look] for values in complete if look in values]
    if len(complete) < _STARTUP_TRIALS or not there:
        return []
    middle = statistics.median(there)
    return sorted(number for number, curve in curves.items() if max(curve) < middle)


def none(curves: Curves, earlier: Sequence[FrozenTrial]) -> list[int]:
    """Nobody leaves."""
    return []


PRUNERS: dict[str, Pruner] = {"halving": halving, "median": median, "none": none}


def expected_share(pruner: str, looks: Sequence[int]) -> float:
    """The share of its updates that a trial trains on average.

    Halving lets half of the trials pass each rung; the others promise nothing.

    Args:
        pruner: Its name.
        looks: Numbers of updates after which validation is looked at, the last after all.
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
