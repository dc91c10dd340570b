"""Studies: commands that train, or look at, more than the whole job does; each has a folder here.

A folder's `run.py` has `check(experiment)`, for what can be known before any work, and `run(context)`, which returns
JSON-able results.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

STUDIES: Mapping[str, str] = {
    "explain": "Show what the network looks at for each task; trains if needed.",
    "compare": "Compare ways to choose the task weights: each tuned alike, paired by seed, against single-task "
    "networks.",
    "affinity": "Find which tasks should share a network, train such groups, and show whether they do better.",
}
"""Their commands, with help."""


def study(name: str) -> Any:
    """The module that runs a study."""
    return import_module(f"pipeline.studies.{name}.run")
