"""Probabilities of all classes of a task, also of those that a model never saw.

Shapes: N rows, F values a row, C classes.
"""

import numpy as np

from pipeline.data.prepared import PreparedTask


def classes_of(task: PreparedTask) -> int:
    """C, of one target: two of a binary task and of a label, 1 of a number."""
    if task.definition.is_number:
        return 1
    return 2 if task.definition.activation == "sigmoid" else len(task.classes)


def spread(task: PreparedTask, present: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Probabilities [N, C] from those of the classes that are present."""
    found = np.zeros((len(chances), classes_of(task)))
    found[:, present.astype(int)] = chances
    return found


class Always:
    """Answers the only class that it has seen; see `pipeline.analysis.references.learning.Learner`."""

    coarser = ""

    def __init__(self, task: PreparedTask, present: np.ndarray) -> None:
        self._task, self._present = task, present

    def learn(self, rounds: int) -> bool:
        """There is nothing to learn."""
        return True

    def answer(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities [N, C]."""
        return spread(self._task, self._present, np.ones((len(rows), len(self._present))))
