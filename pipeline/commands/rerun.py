"""`headway rerun RUN`: rebuild a run, or all steps that a pipeline's run used, and compare."""

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
    """Rebuild and report whether all results are equal; exits with 1 if not.

    Raises:
        UserError: There is no such run, or it cannot be rebuilt.
        Failure: Inputs of the run are missing.
    """
    from pipeline.steps.rebuild import rebuild
    from pipeline.steps.step import REBUILT, logged_experiment
    from pipeline.tracking import tags

    tracker = tracker_here()
    run = find_run(tracker, run_id)
    step_tags = [key for key in run.data.tags if key.startswith(f"{tags.ANSWERED_BY}.")]
    runs = [found for key in step_tags if (found := tracker.get(run.data.tags[key]))] or [run]
    rebuilt = [one for one in runs if not step_tags or one.data.tags[tags.STEP] in REBUILT]
    if not rebuilt:
        raise UserError(f"run {run_id} used no run that can be rebuilt")
    experiment = logged_experiment(tracker, _with_experiment(rebuilt[0]))
    if experiment is None:
        raise UserError(f"run {run_id} is not one of Headway's: it logged no experiment")
    console = Console(quiet or as_json)
    context = Context(add_to_path(project_folder()), experiment, tracker, console)
    verdicts = []
    with closing(context):
        for original in rebuilt:
            verdicts.append(rebuild(context, original))
            console.line(f"{original.info.run_name} {original.info.run_id[:8]}: {verdicts[-1].answer}")
    if as_json:
        print(json.dumps([asdict(verdict) for verdict in verdicts]))
    if not all(verdict.equal for verdict in verdicts):
        sys.exit(FAILURE)


def _with_experiment(run: Any) -> str:
    """ID of the run that logged the experiment: for a trial that of its study."""
    from pipeline.tracking import tags

    is_trial = run.data.tags.get(tags.ROLE) == "trial"
    return run.data.tags["mlflow.parentRunId"] if is_trial else run.info.run_id
