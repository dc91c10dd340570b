"""Look-ups of commands: the project's tracker, a context that runs nothing, and a run by its ID or a prefix of it."""

from pathlib import Path
from typing import Any

from pipeline.config import Experiment, project_folder
from pipeline.errors import UserError
from pipeline.steps.console import Console
from pipeline.steps.context import Context
from pipeline.tracking.store import check_store, tracking_uri


def tracker_here() -> Any:
    """The tracker of this project's store; it starts no run and creates no experiment.

    Raises:
        Failure: The store does not respond.
    """
    project = project_folder()
    check_store(tracking_uri(project))
    from pipeline.tracking.tracker import Tracker

    return Tracker(project, None)


def quiet_context(project: Path, experiment: Experiment) -> Context:
    """A context that prints nothing and starts no run.

    Raises:
        UserError: The tracking URI is invalid.
        Failure: The store does not respond.
    """
    check_store(tracking_uri(project))
    from pipeline.tracking.tracker import Tracker

    return Context(project, experiment, Tracker(project, None), Console(quiet=True))


def model_of_run(tracker: Any, run_id: str) -> str:
    """The address of the version that a command's run, or one of its steps, registered last.

    Args:
        tracker: Of the store.
        run_id: Of the run, or the beginning of it.

    Raises:
        UserError: There is no such run, or it registered no model.
    """
    from pipeline.tracking import tags
    from pipeline.tracking.registry import registered_by

    run = find_run(tracker, run_id)
    steps = [value for tag, value in run.data.tags.items() if tag.startswith(f"{tags.ANSWERED_BY}.")]
    for own in (run.info.run_id, *steps):
        if version := registered_by(tracker.client, own):
            return f"models:/{version.name}/{version.version}"
    raise UserError(f"run '{run_id}' registered no model: the whole job does, headway run EXPERIMENT")


def find_run(tracker: Any, run_id: str) -> Any:
    """The run with an ID, or the only one whose ID starts with it.

    Raises:
        UserError: There is no such run, or more than one.
    """
    if run := tracker.get(run_id):
        return run
    matches = [run for run in tracker.runs() if run.info.run_id.startswith(run_id)]
    if len(matches) != 1:
        problem = "more than one run's id begins so" if matches else "no such run"
        raise UserError(f"run '{run_id}': {problem}; headway show EXPERIMENT lists runs")
    return matches[0]
