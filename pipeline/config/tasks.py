"""What an experiment may say about a task."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from pipeline.config.base import Settings

ALL = "all"
"""The task name under which values over all tasks are logged; no task may take it."""


def _task_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(f"a task's name has letters, digits, '_' and '-' only, found '{name}'")
    if name == ALL:
        raise ValueError(f"no task may be called '{ALL}': values over all tasks are logged under it")
    return name


TaskName = Annotated[str, AfterValidator(_task_name)]


class TaskSettings(Settings):
    """One thing to predict.

    Attributes:
        kind: `multiclass` (one of several classes) or `binary` (one of two, a single logit).
        source: Name of the source whose rows carry the labels.
        label: Which of the source's labels; null means the one named as the task, or the source's only one.
    """

    kind: Literal["multiclass", "binary"]
    source: str
    label: str | None = None
