"""What commands look up: the project's tracker, a context that runs nothing, a run by its id or the beginning of it."""

from pathlib import Path
from typing import Any

from pipeline.config import Experiment, project_folder
from pipeline.errors import UserError
from pipeline.steps.console import Console
from pipeline.steps.context import Context
from pipeline.tracking.store import check_store, tracking_uri


def tracker_here() -> Any:
    """The tracker of this project's store; it starts no run and makes no experiment.

    Raises:
        Failure: The store does not answer.
    """
    project = project_folder()
    check_store(tracking_uri(project))
    from pipeline.tracking.tracker import Tracker

    return Tracker(project, None)


def quiet_context(project: Path, experiment: Experiment) -> Context:
    """A context that prints nothing and starts no run.

    Raises:
        UserError: Tracking is set to something that is no store.
        Failure: The store does not answer.
    """
    check_store(tracking_uri(project))
    from pipeline.tracking.tracker import Tracker

    return Context(project, experiment, Tracker(project, experiment.name), Console(quiet=True))


def find_run(tracker: Any, run_id: str) -> Any:
    """The run of that id, or the one whose id begins so.

    Raises:
        UserError: There is none, or more than one.
    """
    if run := tracker.get(run_id):
        return run
    found = [run for run in tracker.all_runs() if run.info.run_id.startswith(run_id)]
    if len(found) != 1:
        problem = "more than one run's id begins so" if found else "no such run"
        raise UserError(f"run '{run_id}': {problem}; headway show EXPERIMENT lists runs")
    return found[0]
