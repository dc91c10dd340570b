"""A context for commands that only look."""

from pathlib import Path

from pipeline.config import Experiment
from pipeline.steps.context import Context
from pipeline.steps.say import Say
from pipeline.tracking.store import check_store, tracking_uri


def quiet_context(project: Path, experiment: Experiment) -> Context:
    """Surroundings that say nothing and start no run.

    Raises:
        UserError: Tracking is set to something that is no store.
        Failure: The store does not answer.
    """
    check_store(tracking_uri(project))
    from pipeline.tracking.tracker import Tracker

    return Context(project, experiment, Tracker(project, experiment.name), Say(quiet=True))
