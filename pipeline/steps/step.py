"""How any step is done: its key, the lock on it, the cached run that answers it, or a new run."""

import json
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import garbage
from pipeline.config import Experiment, read_stored
from pipeline.steps.context import Context, Done
from pipeline.steps.parameters import parameters
from pipeline.tracking import outputs, tags
from pipeline.tracking.keys import Key
from pipeline.tracking.store import store_lock

if TYPE_CHECKING:
    from pipeline.tracking.run import Run
    from pipeline.tracking.tracker import Tracker

KEY_FILE = "key.json"
EXPERIMENT_FILE = "experiment.json"


class Step(ABC):
    """A function of the experiment and of earlier steps' outputs, and one MLflow run.

    Attributes:
        name: prepare, train, tune, evaluate, report or explain.
        title: The name of its run, such as `train single mnist`.
        experiment: The experiment as this step reads it.
    """

    name: str
    title: str
    experiment: Experiment

    @abstractmethod
    def key(self) -> Key:
        """What the result depends on; imports nothing heavy."""

    @abstractmethod
    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Do it: write all outputs into an empty folder."""

    def tags(self) -> dict[str, str]:
        """Tags beside those of every step."""
        return {}

    def parameters(self) -> dict[str, Any]:
        """What its run logs of the experiment, by dotted key."""
        return parameters(self.experiment)

    def folder(self, context: Context, key: str) -> Path:
        """Where the outputs go."""
        return context.outputs_folder(key)

    def settle(self, context: Context, done: Done) -> None:  # noqa: B027 (most steps leave nothing)
        """What remains to do when the run has finished."""


def perform(context: Context, step: Step) -> Done:
    """Answer a step from its cached run, or run it.

    Raises:
        UserError: The experiment or the data are wrong.
        Failure: It could not be done.
    """
    key = step.key()
    digest = key.digest
    with store_lock(context.project, f"step-{digest}"):
        done = None if {step.name, step.title} & context.force else cached(context, step, digest)
        done = done or _run(context, step, key)
    context.done[step.title] = done
    if context.parent:
        context.tracker.client.set_tag(
            context.parent, f"{tags.ANSWERED_BY}.{step.title.replace(' ', '_')}", done.run_id
        )
    return done


def cached(context: Context, step: Step, digest: str, aloud: bool = True) -> Done | None:
    """The run that answers a step, if it finished and its outputs are here and whole."""
    run = context.tracker.finished(digest)
    if run is None:
        return None
    folder = step.folder(context, digest)
    if problem := outputs.problem(folder, run.data.tags.get(tags.OUTPUTS)):
        if aloud:
            context.say.line(f"{step.title}: run {run.info.run_id[:8]} cannot answer, {problem}: running it again")
        return None
    if aloud:
        context.say.line(f"{step.title}: cached, answered by run {run.info.run_id[:8]}")
    return Done(step.title, digest, run.info.run_id, folder, cached=True)


def _run(context: Context, step: Step, key: Key) -> Done:
    started = time.monotonic()
    garbage.collect()
    digest = key.digest
    folder = step.folder(context, digest)
    run = _begin(context, step, digest)
    with run.ended_truly():
        run.params(step.parameters())
        run.text(step.experiment.model_dump_json(indent=1), EXPERIMENT_FILE)
        run.text(json.dumps(key.parts, indent=1, sort_keys=True, default=str), KEY_FILE)
        with outputs.published(folder) as partial:
            step.work(context, run, partial)
        run.tags({tags.OUTPUTS: outputs.digest(folder) or ""})
    done = Done(step.title, digest, run.id, folder, cached=False)
    step.settle(context, done)
    context.say.line(f"{step.title}: done in {time.monotonic() - started:.1f} s, run {run.id[:8]}")
    return done


def _begin(context: Context, step: Step, digest: str) -> "Run":
    """A new run, or with --resume the one that was interrupted."""
    if context.resume and (found := context.tracker.interrupted(digest)):
        return context.tracker.take_up(found.info.run_id)
    all_tags = {
        tags.STEP: step.name, tags.KEY: digest, tags.EXPERIMENT: step.experiment.name, **step.tags()
    }  # fmt: skip
    return context.tracker.start(step.title, all_tags, context.parent)


def logged_experiment(tracker: "Tracker", run_id: str) -> Experiment | None:
    """The experiment as a run read it; None where the run logged none."""
    tree = tracker.json_artifact(run_id, EXPERIMENT_FILE)
    return read_stored(tree) if tree else None
