"""The least that an experiment file says, and what a step reads of an experiment."""

from typing import Any

from pipeline.config import Experiment, values_read
from pipeline.config.facts import Step

TASKS = "tasks: {mnist: {kind: multiclass, source: mnist}, fashion: {kind: multiclass, source: fashion_mnist}}\n"


def settings(text: str) -> str:
    """A file with two tasks and these settings."""
    return TASKS + text


def read(experiment: Experiment, step: Step, prefix: str = "") -> dict[str, Any]:
    """The values below a key that a step reads and that differ from the defaults."""
    return {key: value for key, value in values_read(experiment, step).items() if key.startswith(prefix)}
