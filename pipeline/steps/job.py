"""The job: the steps in order. Read this first."""

from typing import Any

from pipeline.steps.arms import arm_named, job_arms
from pipeline.steps.comparing import compare
from pipeline.steps.context import Context, Done
from pipeline.steps.decided import conclude
from pipeline.steps.device import resolve_device
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.explain import PAGE, Chosen, Explain
from pipeline.steps.explain import first_line as explained_line
from pipeline.steps.grouping import affinity
from pipeline.steps.plan import candidates, to_explain
from pipeline.steps.prepare import Prepare
from pipeline.steps.replicated import replicated
from pipeline.steps.report import Report, first_line
from pipeline.steps.select import Select
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
        perform(context, Tune(arm_named(experiment, context.arm), prepared, device))
    if last in ("prepare", "train", "tune"):
        return {}
    trained = [(step, perform(context, step)) for step in candidates(experiment, context.project, prepared, device)]
    tuned = [replicated(context, arm, prepared, device) for arm in job_arms(experiment)]
    trained += [(it.train, it.done) for it in tuned]
    # What is registered is chosen before test is opened.
    selected = perform(context, Select(experiment, prepared, trained)) if experiment.validates else None
    evaluated = perform(context, Evaluate(experiment, prepared, trained))
    if last == "evaluate":
        return {}
    studies = {it.arm.title: it.tuned for it in tuned if it.tuned}
    reported = perform(context, Report(experiment, prepared, trained, studies, selected, evaluated))
    return _results(context, reported, selected)


def _explain(context: Context, prepared: str, device: str) -> dict[str, Any]:
    chosen = [Chosen(step, perform(context, step), places) for step, places in to_explain(context, prepared, device)]
    explained = perform(context, Explain(context.experiment, prepared, chosen))
    return {"answer": explained_line(explained.folder), "report": str(explained.folder / PAGE)}


def _results(context: Context, reported: Done, selected: Done | None) -> dict[str, Any]:
    from pipeline.tracking.registry import uri_of_run

    name = context.experiment.name
    return {
        "answer": first_line(reported.folder),
        **conclude(context, reported),
        "report": str(reported.folder / "report.html"),
        "model": uri_of_run(context.tracker.client, name, selected.run_id) if selected else None,
    }
