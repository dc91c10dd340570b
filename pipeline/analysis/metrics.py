"""What scores are made of. Nothing here needs torch: whoever only reads scores does not import it.

Shapes: K seeds, N rows of a task's source, C classes.
"""

from dataclasses import dataclass

import numpy as np

PRIMARY = "accuracy"
"""The metric that decides, for multiclass and binary tasks."""

LOWER_IS_BETTER = frozenset({"nll", "ece"})

BATCH = 256
"""Rows answered together when throughput is measured."""


@dataclass(frozen=True)
class TaskScores:
    """One task's scores.

    Attributes:
        source: Whose rows were scored.
        metrics: Each metric by name, float64 [K]; NaN where no row is labelled.
        correct: Whether a row was answered right, bool [K, N]; False where it has no label.
        labelled: Whether a row has a label, bool [N].
        confusion: Rows of each true class (down) by the answered one (across), summed over seeds: int64 [C, C].
    """

    source: str
    metrics: dict[str, np.ndarray]
    correct: np.ndarray
    labelled: np.ndarray
    confusion: np.ndarray


Scores = dict[str, TaskScores]
"""By task."""
