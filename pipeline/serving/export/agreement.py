"""How far the answers of an exported model are from the original's.

Legend of shapes: B rows, T tokens of a text, C classes, labels or tags.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.errors import Failure
from pipeline.kinds import kind_of
from pipeline.serving.specification import TaskSpec

TOLERANCE = 1e-5


def disagreement(name: str, task: TaskSpec, wanted: pd.DataFrame, found: Mapping[str, np.ndarray]) -> float:
    """The largest difference between the predictions of a task.

    Those of probabilities count as they are; those of values in standard deviations of the training targets, or where
    the values are larger, relative to these. Where two classes are as probable, but for the tolerance, either may be
    the label, and so may be both where a probability is as high as the threshold.

    Args:
        name: Of the task.
        task: It.
        wanted: The original's predictions, of B rows.
        found: The exported model's, by output.

    Raises:
        Failure: They differ by more than the tolerance.
    """
    kind = kind_of(task.kind)
    if kind.is_number:
        value = wanted[f"{name}/value"].to_numpy()
        apart = np.abs(found[f"{name}/value"] - value) / np.maximum(task.std, np.abs(value))
        return _checked(name, apart)
    chances, label = found[f"{name}/probability"], found[f"{name}/label"]
    if kind.per_token:
        return _of_tags(name, task, wanted[f"{name}/tags"].tolist(), label, chances)
    columns = [column for column in wanted if column.startswith(f"{name}/probability/")]
    apart = _checked(name, np.abs(chances - wanted[columns].to_numpy()))
    if kind.thresholds:
        given = wanted[[column for column in wanted if column.startswith(f"{name}/label/")]].to_numpy()
        away = np.abs(chances - np.array(task.thresholds)) * (label != given)
    else:
        given = (
            np.array([task.classes.index(it) for it in wanted[f"{name}/class"]])
            if (f"{name}/class" in wanted)
            else wanted[f"{name}/label"].to_numpy()
        )
        away = _short(chances, given) + _short(chances, label)
    return max(apart, _checked(name, away))


def _of_tags(name: str, task: TaskSpec, wanted: list[str], label: np.ndarray, chances: np.ndarray) -> float:
    """The same of tags: how much less probable than the most probable one is what the original says."""
    apart = [0.0]
    for row, said in enumerate(wanted):
        given = np.array([task.classes.index(it) for it in said.split(" ") if it], int)
        if (label[row, len(given) :] != -1).any() or (label[row, : len(given)] < 0).any():
            raise Failure(f"task {name}: the exported model finds other tokens than the original in row {row}")
        apart.append(_checked(name, _short(chances[row, : len(given)], given)))
    return max(apart)


def _short(chances: np.ndarray, label: np.ndarray) -> np.ndarray:
    """How much less probable a label [B] is than the most probable one of its row of [B, C]."""
    return chances.max(1, initial=0.0) - np.take_along_axis(chances, label[:, None], 1)[:, 0]


def _checked(name: str, apart: np.ndarray) -> float:
    largest = float(np.max(apart, initial=0.0))
    if not largest <= TOLERANCE:  # NaN is not, either
        raise Failure(
            f"task {name}: the exported model's answers differ from the original's by up to {largest:.2g}, "
            f"more than {TOLERANCE:g}: no file was written"
        )
    return largest
