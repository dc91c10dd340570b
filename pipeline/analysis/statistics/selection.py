"""Which candidate is to be used: by what validation says, with a margin for what is simpler and cheaper.

Test plays no part: it is not open when this is decided.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.analysis.metrics import LOWER_IS_BETTER
from pipeline.analysis.statistics.differences import relative

Values = Mapping[str, np.ndarray]
"""A candidate's primary metric on validation by task, one value a network."""


@dataclass(frozen=True)
class Selection:
    """The candidate, and why.

    Attributes:
        candidate: Its name.
        why: In a sentence.
    """

    candidate: str
    why: str


def select(candidates: Mapping[str, Values], metrics: Mapping[str, str], margin: float) -> Selection:
    """Take the simplest candidate that no costlier one beats by more than the margin.

    Args:
        candidates: By name, the simplest and cheapest first.
        metrics: The primary metric of each task.
        margin: By how much the mean relative change of the tasks' metrics has to be higher, in percent.
    """
    (chosen, *others), reasons = candidates, []
    for other in others:
        gain = gain_of(candidates[other], candidates[chosen], metrics)
        taken = gain > margin
        reasons.append(f"{other} {gain:+.2f} % against {chosen}{'' if taken else ', which is kept'}")
        chosen = other if taken else chosen
    if not reasons:
        return Selection(chosen, f"{chosen} is the only candidate")
    return Selection(
        chosen,
        f"{chosen} was chosen on validation, where a costlier candidate has to gain more than {margin:g} %: "
        f"{'; '.join(reasons)}",
    )


def gain_of(values: Values, against: Values, metrics: Mapping[str, str]) -> float:
    """The mean over tasks of the relative change of their mean metrics, in percent; positive is better.

    Tasks without a labelled row in validation are left out; NaN where all are.
    """
    changes = [
        relative(values[task].mean(), against[task].mean(), higher_is_better=metric not in LOWER_IS_BETTER)
        for task, metric in metrics.items()
    ]
    known = [float(change) for change in changes if np.isfinite(change)]
    return float(np.mean(known)) if known else float("nan")


def kept_values(history: pd.DataFrame, metrics: Mapping[str, str], tasks: Sequence[str]) -> dict[str, np.ndarray]:
    """The validation metric of each task at the kept look of every network [K], from a `history.parquet`."""
    kept = history[history["kept"]]
    return {task: kept[f"validation/{task}/{metrics[task]}"].to_numpy(np.float64) for task in tasks}
