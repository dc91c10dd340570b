"""How good a front of two losses is, in one number."""

import numpy as np
import pandas as pd

from pipeline.analysis.statistics.intervals import Estimate

REFERENCE = (2.0, 2.0)


def hypervolume(losses: np.ndarray, reference: tuple[float, float] = REFERENCE) -> float:
    """The area between some points and a reference point that they beat: larger is better.

    Zitzler and Thiele 1998, "Multiobjective optimization using evolutionary algorithms: a comparative case study".

    Args:
        losses: [N, 2], less is better.
        reference: What is not below it in both counts for nothing.
    """
    area, height = 0.0, reference[1]
    for x, y in losses[np.lexsort(losses.T[::-1])]:  # by the first loss, of equals by the second
        if x < reference[0] and y < height:
            area += (reference[0] - x) * (height - y)
            height = y
    return float(area)


def estimated(front: pd.DataFrame, candidate: str) -> Estimate | None:
    """The mean over a candidate's seeds; None where it has no front, or not of two tasks.

    Args:
        front: As `pipeline.analysis.tables.front_table` makes it.
        candidate: Whose.
    """
    rows = front[front["candidate"] == candidate]
    if rows["task"].nunique() != len(REFERENCE):
        return None
    found = [_of_seed(own) for _, own in rows.groupby("seed")]
    return Estimate.over_seeds(np.array(found))


def _of_seed(rows: pd.DataFrame) -> float:
    return hypervolume(rows.pivot(index="point", columns="task", values="loss").to_numpy(dtype=float))
