"""What is needed to make the results of a command again: the code, libraries and machine, the seed, the commands."""

import platform
from datetime import UTC, datetime

from pipeline.machine import cores, processor
from pipeline.steps.context import Context
from pipeline.steps.device import gpu_name, resolve_device
from pipeline.tracking.keys import versions

_COMMIT = "mlflow.source.git.commit"
_LIBRARIES = ("optuna", "mlflow", "scikit-learn", "scipy", "pandas")


def commands(context: Context) -> tuple[str, ...]:
    """Lines that repeat a command from its commit, and then each of its steps, to compare what comes out."""
    commit = _commit(context)
    return (
        *([f"git checkout {commit}"] if commit else []),
        context.command,
        *([f"headway rerun {context.parent}"] if context.parent else []),
    )


def facts(context: Context) -> dict[str, str]:
    """Where the results of a command come from, by name; the machine is that of the command."""
    experiment = context.experiment
    return {
        "commit": _commit(context) or "unknown: the project is in no git repository, or its run does not name one",
        "root seed": str(experiment.seed),
        "Python": f"{platform.python_version()} on {platform.system()} {platform.release()}, {platform.machine()}",
        "libraries": ", ".join(f"{name} {version}" for name, version in versions(*_LIBRARIES).items()),
        "processor": f"{processor()}, {cores()} cores",
        "trained on": gpu_name() if resolve_device(experiment) == "cuda" else "the processor",
        "precision": experiment.precision,
        "drawn": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _commit(context: Context) -> str:
    run = context.tracker.get(context.parent) if context.parent else None
    return run.data.tags.get(_COMMIT, "") if run else ""
