"""The primary metric of what the served model predicts, by which a champion is chosen; each kind of task names its own.

Its arguments are the task; the columns of its own predictions, as `pipeline.serving.served.Served.answers` names them
but without the task's name; and the targets, as `pipeline.data.prepared.Split` has them.

Shapes: N rows, C classes, L labels at once, T tokens of a row.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

from pipeline.analysis.counts import r2_score, roc_auc
from pipeline.analysis.metrics import by_label, mean_of_known
from pipeline.data.prepared import PreparedTask, known
from pipeline.training.spans import Spans, f1

Columns = Mapping[str, pd.Series]


def accuracy(task: PreparedTask, predicted: Columns, truth: np.ndarray) -> float:
    """Of classes [N]."""
    present = known(truth)
    return float((predicted["label"].to_numpy()[present] == truth[present]).mean())


def mean_roc_auc(task: PreparedTask, predicted: Columns, truth: np.ndarray) -> float:
    """Of labels [N, L]; one without rows of both kinds is left out."""
    # By their order: an earlier model has indices in the place of names.
    chances = np.stack([it.to_numpy() for name, it in predicted.items() if name.startswith("probability/")], 1)
    return mean_of_known(by_label(roc_auc, truth, chances, known(truth)))


def r2(task: PreparedTask, predicted: Columns, truth: np.ndarray) -> float:
    """Of standardised numbers [N]."""
    present = known(truth)
    return r2_score(truth[present], (predicted["value"].to_numpy()[present] - task.mean) / task.std)


def entity_f1(task: PreparedTask, predicted: Columns, truth: np.ndarray) -> float:
    """Of tags [N, T]."""
    tags = torch.from_numpy(np.stack(predicted["tags"].to_list()))
    counts = Spans(task.classes).counts(tags, torch.from_numpy(truth), torch.from_numpy(known(truth)))
    return float(f1(counts.sum((0, 2))))
