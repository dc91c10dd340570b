"""What made a run: who, by which command, and from which commit of the project."""

import getpass
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE, MLFLOW_USER

_GIT_S = 5.0


def source_tags(project: Path, command: str) -> Mapping[str, str]:
    """MLflow's tags of a run's source; what is not known is left out.

    Args:
        project: The project folder.
        command: What was called, such as `headway run digits`.
    """
    known = {MLFLOW_USER: _user(), MLFLOW_GIT_COMMIT: commit(project)}
    return {MLFLOW_SOURCE_NAME: command, MLFLOW_SOURCE_TYPE: "LOCAL"} | {key: it for key, it in known.items() if it}


@cache
def commit(project: Path) -> str:
    """The commit of the project's folder; empty where it is in no repository, or there is no git."""
    try:
        told = subprocess.run(  # noqa: S603
            ["git", "-C", str(project), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=_GIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
