"""`headway explain`: the networks that were selected, and what they look at."""

from collections.abc import Mapping
from typing import Any

from pipeline.config import Experiment
from pipeline.errors import UserError
from pipeline.steps.context import Context
from pipeline.steps.graph import Job
from pipeline.steps.select import selected
from pipeline.steps.step import cached, key_of, look_up, perform
from pipeline.studies.explain.step import Chosen, Explain


def run(context: Context) -> dict[str, Any]:
    """Explain the networks that were selected.

    Returns:
        `answer` and `report`.

    Raises:
        UserError: There is nothing to explain.
        Failure: A step could not be done.
    """
    perform(context, Job.of(context).prepare)
    step = explanation(context)
    perform(context, step)
    return step.conclude(context)


def explanation(context: Context) -> Explain:
    """The step on the networks that were selected, or where nothing was, on the experiment as written."""
    job = Job.of(context)
    chosen = [Chosen(job.in_use("default")[0])]
    if choice := _selected(context, job):
        trained = {it.title: it for it in job.in_use(choice["role"])}
        slots = {it["step"]: int(it["slot"].removeprefix("seed/")) for it in choice["networks"]}
        chosen = [Chosen(trained[title], (slot, int(not slot))) for title, slot in slots.items()]
        for it in chosen:
            it.trained.inputs = it.trained.upstream  # the winners are known: their study is not needed any more
    else:
        context.console.line("select: the whole job is not done, so the experiment as written is explained")
    return Explain(context.experiment, job.prepare, chosen)


def _selected(context: Context, job: Job) -> Mapping[str, Any] | None:
    if job.select is None:
        return None
    look_up(context, job.select)
    done = cached(context, job.select) if key_of(job.select) else None
    return selected(done.folder) if done else None


def check(experiment: Experiment) -> None:
    """What can be known before any work.

    Raises:
        UserError: There are no rows to explain.
    """
    if not experiment.validates:
        raise UserError("explain reads the validation split: give data.validation a share")
