"""Who leaves a batch early: decided for all its trials at once when an epoch is done, from numbers and values alone."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

Curves = Mapping[int, Sequence[float]]
"""Objectives of epochs 1, 2, ... by trial number: of the batch's trials that took part in the last epoch and are
finite. One that stopped early in that epoch is among them, and competes, though it cannot be pruned any more."""

Pruner = Callable[[Curves, Sequence[FrozenTrial]], list[int]]
"""From the batch's curves and the trials of earlier batches to the numbers that should leave."""

_FIRST_RUNG = 2  # epochs
_REDUCTION = 2
_STARTUP_TRIALS = 5


def halving(curves: Curves, earlier: Sequence[FrozenTrial]) -> list[int]:
    """Synchronous successive halving (Jamieson & Talwalkar 2016; the brackets' inner loop of Li et al. 2018).

    Rungs lie after 2, 4, 8, ... epochs. At a rung a trial goes on if it is in the better half (rounded up) of all
    values seen at this rung, those of the batch and those of earlier batches' trials that came as far; of equal ones
    the lower number goes first. So the best value ever seen at a rung goes on, but a batch that is worse than its
    forerunners may lose all its trials. Unlike Optuna's pruner, which is asynchronous (Li et al. 2020), the outcome
    does not depend on who arrives first.
    """
    epoch = _epoch(curves)
    if not _is_rung(epoch):
        return []
    seen = {trial.number: trial.intermediate_values[epoch] for trial in earlier if epoch in trial.intermediate_values}
    seen |= {number: curve[-1] for number, curve in curves.items()}
    ranked = sorted(seen, key=lambda number: (-seen[number], number))
    going_on = ranked[: -(-len(ranked) // _REDUCTION)]
    return sorted(set(curves) - set(going_on))


def median(curves: Curves, earlier: Sequence[FrozenTrial]) -> list[int]:
    """Optuna's median rule (Golovin et al. 2017): a trial leaves if its best value so far lies below the median of
    what earlier batches' complete trials had at this epoch. The first five complete trials are never in danger.
    """
    epoch = _epoch(curves)
    complete = [trial.intermediate_values for trial in earlier if trial.state == TrialState.COMPLETE]
    there = [values[epoch] for values in complete if epoch in values]
    if len(complete) < _STARTUP_TRIALS or not there:
        return []
    middle = statistics.median(there)
    return sorted(number for number, curve in curves.items() if max(curve) < middle)


def none(curves: Curves, earlier: Sequence[FrozenTrial]) -> list[int]:
    """Nobody leaves."""
    return []


PRUNERS: dict[str, Pruner] = {"halving": halving, "median": median, "none": none}


def expected_epochs(pruner: str, epochs: int) -> float:
    """Epochs that a trial trains on average: halving lets half of them pass each rung; the others promise nothing."""
    if pruner != "halving":
        return float(epochs)
    share, total = 1.0, 0.0
    for epoch in range(1, epochs + 1):
        total += share
        share /= _REDUCTION if _is_rung(epoch) else 1
    return total


def _epoch(curves: Curves) -> int:
    return max(map(len, curves.values()), default=0)


def _is_rung(epoch: int) -> bool:
    rung = _FIRST_RUNG
    while rung < epoch:
        rung *= _REDUCTION
    return rung == epoch
