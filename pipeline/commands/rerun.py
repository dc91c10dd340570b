"""`headway rerun RUN`: rebuild a run, or every step that answered a pipeline's run, and compare."""

import json
import sys
from contextlib import closing
from dataclasses import asdict
from typing import Any

from pipeline.commands.exit_codes import FAILURE
from pipeline.commands.lookup import find_run, tracker_here
from pipeline.config import project_folder
from pipeline.errors import UserError
from pipeline.plugins import add_to_path
from pipeline.steps.console import Console
from pipeline.steps.context import Context


def rerun(run_id: str, quiet: bool, as_json: bool) -> None:
    """Rebuild and say whether everything is the same; exits with 1 if anything is not.

    Raises:
        UserError: There is no such run, or it is of no kind that is rebuilt.
        Failure: What it needs is gone.
    """
    from pipeline.steps.rebuild import rebuild
    from pipeline.steps.step import REBUILT, logged_experiment
    from pipeline.tracking import tags

    tracker = tracker_here()
    run = find_run(tracker, run_id)
    answered = [key for key in run.data.tags if key.startswith(f"{tags.ANSWERED_BY}.")]
    runs = [found for key in answered if (found := tracker.get(run.data.tags[key]))] or [run]
    rebuilt = [one for one in runs if not answered or one.data.tags[tags.STEP] in REBUILT]
    if not rebuilt:
        raise UserError(f"run {run_id} was answered by no run that can be rebuilt")
    experiment = logged_experiment(tracker, _with_experiment(rebuilt[0]))
    if experiment is None:
        raise UserError(f"run {run_id} is none of Headway's: it logged no experiment")
    console = Console(quiet or as_json)
    context = Context(add_to_path(project_folder()), experiment, tracker, console)
    verdicts = []
    with closing(context):
        for one in rebuilt:
            verdicts.append(rebuild(context, one))
            console.line(f"{one.info.run_name} {one.info.run_id[:8]}: {verdicts[-1].answer}")
    if as_json:
        print(json.dumps([asdict(verdict) for verdict in verdicts]))
    if not all(verdict.equal for verdict in verdicts):
        sys.exit(FAILURE)


def _with_experiment(run: Any) -> str:
    """The run that logged the experiment: a trial's is its study's."""
    from pipeline.tracking import tags

    is_trial = run.data.tags.get(tags.ROLE) == "trial"
    found: str = run.data.tags["mlflow.parentRunId"] if is_trial else run.info.run_id
    return found
