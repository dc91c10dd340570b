"""From the states of some slots to history.parquet and to the metrics of a run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipeline.analysis.metrics import bounds_of
from pipeline.analysis.statistics.intervals import Estimate
from pipeline.kinds import kind_of
from pipeline.throttle import Throttle
from pipeline.training.progress import OBJECTIVE, STANDARD_ERROR
from pipeline.training.slot import SlotState

if TYPE_CHECKING:
    from pipeline.config import Experiment
    from pipeline.tracking.run import Run

BEST = "best/"
"""How the names of what was kept begin: curves end with the last look."""

_ENDS = ("_ci_low", "_ci_high")


class Live:
    """Logs the curves of some slots while they grow, as often as that takes little of the time.

    Args:
        run: Where to.
        names: Of the slots, in order.
        states: How far they had come: what the run lacks of that is logged as well.
        throttle: How often.
    """

    def __init__(
        self, run: "Run", names: Sequence[str], states: Mapping[str, SlotState], throttle: Throttle | None = None
    ) -> None:
        self._run, self._names, self._states = run, names, dict(states)
        self._throttle = throttle or Throttle()
        self._logged = 0

    def add(self, states: Sequence[SlotState]) -> int:
        """Take up the states of those that took part in a stretch; the number of the look at its end."""
        self._states |= {state.name: state for state in states}
        if self._throttle.due():
            self.log()
        return max(state.looks for state in states)

    def log(self) -> None:
        """Log all looks that are not logged yet."""
        with self._throttle.timed():
            states = [self._states[name] for name in self._names]
            looks = range(self._logged + 1, max(state.looks for state in states) + 1)
            self._run.curves([at_look(states, look) for look in looks], looks.start)
            self._logged = looks.stop - 1


def history(states: Sequence[SlotState]) -> pd.DataFrame:
    """One row a slot and look at validation: `slot`, `epoch`, `updates`, `status` at the end, `kept`, the metrics.

    `epoch` is the number of the look, from 1, which is that of the epoch where the length is given in epochs; `updates`
    are those done by then; `kept` says whether these weights are the ones to keep.
    """
    return pd.DataFrame(
        [
            {"slot": state.name, "epoch": look, "updates": updates, "status": state.status}
            | {"kept": look == state.best_look, **metrics}
            for state in states
            for look, (updates, metrics) in enumerate(zip(state.updates, state.history, strict=True), start=1)
        ]
    )


def at_look(states: Sequence[SlotState], look: int) -> dict[str, float]:
    """The slots' mean metrics at a look; their intervals are those of what is kept.

    A slot that had stopped by then counts with the look it keeps: with what it would be used for.
    """
    found = summary([state.history[look - 1] if look <= state.looks else state.best for state in states])
    return in_order({key: value for key, value in found.items() if not key.endswith(_ENDS)})


def in_order(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics in the order in which they matter: the objective, others of validation, those of training."""
    return dict(sorted(metrics.items(), key=lambda it: (it[0] != OBJECTIVE, not it[0].startswith("validation/"))))


def kept(states: Sequence[SlotState]) -> dict[str, float]:
    """The slots' mean metrics at the looks they keep, with intervals."""
    return summary([state.best for state in states])


def best(metrics: Mapping[str, float], experiment: "Experiment") -> dict[str, float]:
    """Of metrics that were kept those that decide, under names of their own: the objective and each task's primary."""
    primary = (f"validation/{task}/{kind_of(it.kind).primary}" for task, it in experiment.tasks.items())
    wanted = {f"{key}{end}" for key in (OBJECTIVE, STANDARD_ERROR, *primary) for end in ("", *_ENDS)}
    return {f"{BEST}{key}": value for key, value in metrics.items() if key in wanted}


def summary(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each metric, and with two or more values its 95 % Student t interval as `..._ci_low`, `..._ci_high`.

    What gradients are watched for is no metric of a stretch in which nobody looked: it is left out then.
    """
    result: dict[str, float] = {}
    for key in (key for key in metrics[0] if all(key in one for one in metrics)):
        values = np.array([one[key] for one in metrics])
        found = Estimate.over_seeds(values, bounds_of(key.rpartition("/")[2]))
        result[key] = found.mean
        if found.knows != "nothing":
            interval = found.interval()
            result |= {f"{key}_ci_low": interval.low, f"{key}_ci_high": interval.high}
    return result
