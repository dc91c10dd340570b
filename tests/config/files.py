"""The least that an experiment file says."""

TASKS = "tasks: {mnist: {kind: multiclass, source: mnist}, fashion: {kind: multiclass, source: fashion_mnist}}\n"


def settings(text: str) -> str:
    """A file with two tasks and these settings."""
    return TASKS + text
