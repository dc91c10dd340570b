"""Class weights: how much each target counts in the loss, so that rare classes weigh as much as frequent ones."""

from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.config.tasks import TaskSettings, Weighted
from pipeline.data.prepared import Prepared, PreparedTask


def class_weights(prepared: Prepared, tasks: Mapping[str, TaskSettings]) -> dict[str, Tensor]:
    """The weights of the tasks that ask for balanced ones, from the counts of the training split.

    Each class gets N / (C * its rows) of N rows, as in King and Zeng 2001 (Political Analysis 9), so that the mean over
    training targets is 1; C counts the classes that occur. Of each label the two classes are absence and presence.

    Args:
        prepared: The data.
        tasks: The experiment's.

    Returns:
        By task: float32 [C], or [2, L] of absence and presence of L labels.
    """
    return {
        name: _labels(task) if task.definition.form == "labels" else _balanced(task.counts["train"])
        for name, task in prepared.tasks.items()
        if isinstance(settings := tasks[name], Weighted) and settings.class_weights == "balanced"
    }


def _labels(task: PreparedTask) -> Tensor:
    present, known = task.counts["train"], task.labelled["train"]
    return torch.stack([_balanced([all_ - some, some]) for some, all_ in zip(present, known, strict=True)], 1)


def _balanced(counts: list[int]) -> Tensor:
    rows = torch.tensor(counts, dtype=torch.float32)
    occurring = rows > 0
    return torch.where(occurring, rows.sum() / (occurring.sum() * rows.clamp_min(1)), 0.0)
