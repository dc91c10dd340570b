"""The job: the steps in order. Read this first."""

from typing import Any

from pipeline.steps.comparing import compare
from pipeline.steps.context import Context, Done
from pipeline.steps.decided import conclude
from pipeline.steps.device import resolve_device
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.explain import PAGE, Explain
from pipeline.steps.explain import first_line as explained_line
from pipeline.steps.grouping import affinity
from pipeline.steps.plan import candidates, to_explain, winner
from pipeline.steps.prepare import Prepare
from pipeline.steps.report import Report, first_line
from pipeline.steps.step import perform
from pipeline.steps.train import Train
from pipeline.steps.tune import Tune


def run_to(context: Context, last: str) -> dict[str, Any]:
    """Do everything up to a step; `run` and `report` do all.

    Returns:
        JSON-able results of the whole job: `answer`, `decision`, `report`, `model`; empty where it ends earlier.

    Raises:
        UserError: The experiment or its data are wrong.
        Failure: A step could not be done.
    """
    experiment, device = context.experiment, resolve_device(context.experiment)
    prepared = (context.done.get("prepare") or perform(context, Prepare(experiment, context.project))).key
    if last == "explain":
        return _explain(context, prepared, device)
    if last == "compare":
        return compare(context, prepared, device)
    if last == "affinity":
        return affinity(context, prepared, device)
    if last == "train":
        perform(context, Train(experiment, "default", prepared, device))
    if last == "tune":
        perform(context, Tune(experiment, prepared, device))
    if last in ("prepare", "train", "tune"):
        return {}
    trained = [(step, perform(context, step)) for step in candidates(experiment, context.project, prepared, device)]
    tuned = None
    if experiment.tuning is not None:
        tuned = perform(context, Tune(experiment, prepared, device))
        best = winner(experiment, tuned, prepared, device)
        trained.append((best, perform(context, best)))
    evaluated = perform(context, Evaluate(experiment, prepared, trained))
    if last == "evaluate":
        return {}
    reported = perform(context, Report(experiment, prepared, trained, tuned, evaluated))
    return _results(context, reported, trained[-1][1])


def _explain(context: Context, prepared: str, device: str) -> dict[str, Any]:
    chosen = to_explain(context, prepared, device)
    explained = perform(context, Explain(context.experiment, prepared, chosen, perform(context, chosen)))
    return {"answer": explained_line(explained.folder), "report": str(explained.folder / PAGE)}


def _results(context: Context, reported: Done, best: Done) -> dict[str, Any]:
    from pipeline.tracking.registry import uri_of_run

    return {
        "answer": first_line(reported.folder),
        **conclude(context, reported),
        "report": str(reported.folder / "report.html"),
        "model": uri_of_run(context.tracker.client, context.experiment.name, best.run_id),
    }
