"""Scores of regression tasks, in the target's own unit; answers are clipped as the task says.

Shapes: K seeds, N rows of a task's source.
"""

import numpy as np
import torch
from torch import Tensor

from pipeline.analysis.counts import ROUNDING
from pipeline.analysis.metrics import TaskScores
from pipeline.data.answers import within
from pipeline.data.prepared import PreparedTask, known
from pipeline.stacked import Targets


class NumberScorer:
    """Takes the answers to a split's rows, a batch at a time, and scores them.

    Args:
        task: Whose answers.
    """

    def __init__(self, task: PreparedTask) -> None:
        self._task = task
        self._answers: list[Tensor] = []

    def take(self, logits: Tensor, targets: Targets) -> None:
        """Take answers [K, B, 1]."""
        self._answers.append(within(logits.squeeze(2), *self._task.bounds))

    def scores(self, labels: np.ndarray, of_fold: bool = False) -> TaskScores:
        """The scores, given the targets [N] of all rows taken."""
        task, labelled = self._task, known(labels)
        true = labels[labelled].astype(np.float64)
        errors = torch.cat(self._answers, 1).double().numpy()[:, labelled] - true
        columns = np.zeros((len(labels), 4))
        columns[labelled] = np.stack([np.ones_like(true), true, true**2, (errors**2).mean(0)], 1)
        return TaskScores(task.source, task.primary, self._metrics(true, errors), labelled, columns)

    def _metrics(self, true: np.ndarray, errors: np.ndarray) -> dict[str, np.ndarray]:
        """Metrics [K] from standardised targets [N] and errors [K, N]."""
        if len(true) == 0:
            return {name: np.full(len(errors), np.nan) for name in ("r2", "mae", "rmse")}
        spread = true.var() if true.var() > ROUNDING * (true**2).mean() else np.nan
        return {
            "r2": 1.0 - (errors**2).mean(1) / spread,
            "mae": self._task.std * np.abs(errors).mean(1),
            "rmse": self._task.std * np.sqrt((errors**2).mean(1)),
        }
