"""From the states of some slots to history.parquet and to the metrics of a run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipeline.analysis.intervals import Estimate
from pipeline.analysis.metrics import bounds_of
from pipeline.pace import Pace
from pipeline.training.slot import SlotState

if TYPE_CHECKING:
    from pipeline.tracking.run import Run


class Live:
    """Logs the curves of some slots while they grow, as often as that takes little of the time.

    Args:
        run: Where to.
        names: Of the slots, in order.
        states: How far they had come: what the run lacks of that is logged as well.
        pace: How often.
    """

    def __init__(
        self, run: "Run", names: Sequence[str], states: Mapping[str, SlotState], pace: Pace | None = None
    ) -> None:
        self._run, self._names, self._states = run, names, dict(states)
        self._pace = pace or Pace()
        self._logged = 0

    def add(self, states: Sequence[SlotState]) -> int:
        """Take up the states of those that took part in an epoch; its number."""
        self._states |= {state.name: state for state in states}
        if self._pace.due():
            self.log()
        return max(state.epoch for state in states)

    def log(self) -> None:
        """Log all epochs that are not logged yet."""
        with self._pace.spent():
            states = [self._states[name] for name in self._names]
            epochs = range(self._logged + 1, max(state.epoch for state in states) + 1)
            self._run.curves([at_epoch(states, epoch) for epoch in epochs], epochs.start)
            self._logged = epochs.stop - 1


def history(states: Sequence[SlotState]) -> pd.DataFrame:
    """One row a slot and epoch: `slot`, `epoch` (from 1), `status` at the end, whether it was `kept`, the metrics."""
    return pd.DataFrame(
        [
            {"slot": state.name, "epoch": epoch, "status": state.status, "kept": epoch == state.best_epoch, **metrics}
            for state in states
            for epoch, metrics in enumerate(state.history, start=1)
        ]
    )


def at_epoch(states: Sequence[SlotState], epoch: int) -> dict[str, float]:
    """The slots' mean metrics after an epoch, with intervals over slots where there are several.

    A slot that had stopped by then counts with its kept epoch: with what it would be used for.
    """
    return summary([state.history[epoch - 1] if epoch <= state.epoch else state.best for state in states])


def kept(states: Sequence[SlotState]) -> dict[str, float]:
    """The slots' mean metrics at their kept epochs, with intervals."""
    return summary([state.best for state in states])


def summary(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each metric, and with two or more values its 95 % Student t interval as `..._ci_low`, `..._ci_high`."""
    result: dict[str, float] = {}
    for key in metrics[0]:
        values = np.array([one[key] for one in metrics])
        found = Estimate.over_seeds(values, bounds_of(key.rpartition("/")[2]))
        result[key] = found.mean
        if found.knows != "nothing":
            interval = found.interval()
            result |= {f"{key}_ci_low": interval.low, f"{key}_ci_high": interval.high}
    return result
