"""What the tasks are to one another while they train together: means over training of what was watched.

Shapes: S seeds, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.analysis.statistics.intervals import student


@dataclass(frozen=True)
class Affinities:
    """Of T tasks, for each of S seeds; NaN where no step knew it.

    Attributes:
        tasks: Their names.
        affinity: The share of the loss of each task (column) that a step for one task alone (row) takes away, mean over
            training [S, T, T]; negative where it adds to the loss.
        cosine: Of the tasks' gradients on what they share, mean over training, [S, T, T].
    """

    tasks: list[str]
    affinity: np.ndarray
    cosine: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The affinities, mean over seeds, [T, T]; 0 where they are not known."""
        known = ~np.isnan(self.affinity)
        return np.where(known, self.affinity, 0.0).sum(0) / np.maximum(known.sum(0), 1)

    def table(self) -> pd.DataFrame:
        """One row a pair: task, other, affinity, affinity_low, affinity_high, cosine, cosine_low, cosine_high."""
        rows = []
        for one, task in enumerate(self.tasks):
            for two, other in enumerate(self.tasks):
                row: dict[str, object] = {"task": task, "other": other}
                for name, values in (("affinity", self.affinity), ("cosine", self.cosine)):
                    interval = student(values[:, one, two])
                    row |= {name: float(values[:, one, two].mean())}
                    row |= {f"{name}_low": interval.low, f"{name}_high": interval.high} if interval else {}
                rows.append(row)
        return pd.DataFrame(rows)


def affinities(history: pd.DataFrame, tasks: Sequence[str]) -> Affinities:
    """From the history of a training that was watched with a lookahead.

    Args:
        history: One row a slot and look, see `pipeline.steps.runs.curves.history`.
        tasks: Which ones.
    """
    slots = history.groupby("slot", sort=False)
    shape = (len(slots), len(tasks), len(tasks))
    affinity, cosine = np.full(shape, np.nan), np.full(shape, np.nan)
    for seed, (_, epochs) in enumerate(slots):
        for one, task in enumerate(tasks):
            cosine[seed, one, one] = 1.0
            for two, other in enumerate(tasks):
                affinity[seed, one, two] = _mean(epochs, f"train/{task}/affinity_{other}")
                if two > one:
                    cosine[seed, one, two] = cosine[seed, two, one] = _mean(epochs, f"train/{task}/cosine_{other}")
    return Affinities(list(tasks), affinity, cosine)


def over_training(history: pd.DataFrame, tasks: Sequence[str], what: str) -> pd.DataFrame:
    """One row a look and pair of tasks: epoch (its number), task, other, value; mean over seeds.

    Args:
        history: As for `affinities`.
        tasks: Which ones.
        what: `affinity` or `cosine`.
    """
    names = {f"train/{task}/{what}_{other}": (task, other) for task in tasks for other in tasks if task != other}
    rows = history.melt(["epoch"], [name for name in names if name in history], "name").dropna()
    means = rows.groupby(["name", "epoch"], sort=False)["value"].mean().reset_index()
    means[["task", "other"]] = [names[name] for name in means["name"]]
    return means[["epoch", "task", "other", "value"]]


def _mean(epochs: pd.DataFrame, name: str) -> float:
    return float(epochs[name].mean()) if name in epochs else float("nan")
