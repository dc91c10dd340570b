"""Steps are the nodes of a graph: each has inputs, a key, and a run that answers it, cached or new."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import garbage_collection
from pipeline.config import Experiment, implementations, public, read_stored, values_read
from pipeline.config.facts import Step as StepName
from pipeline.steps.context import Context, StepResult
from pipeline.steps.runs.parameters import parameters
from pipeline.tracking import outputs, process, tags
from pipeline.tracking.keys import Key, code_of, versions
from pipeline.tracking.store import store_lock

if TYPE_CHECKING:
    from pipeline.tracking.run import Run
    from pipeline.tracking.tracker import Tracker

KEY_FILE = "key.json"
EXPERIMENT_FILE = "experiment.json"
REBUILT = ("prepare", "train", "tune")
"""Steps that `headway rerun` rebuilds."""


class KeyUnknownError(Exception):
    """The key depends on outputs of a step that has not been done yet."""


def check_settled(experiment: Experiment, prepare: "Step", title: str) -> None:
    """Whether it is known how many networks a step trains, see `pipeline.steps.settling`.

    Raises:
        KeyUnknownError: The data tell, and are not prepared.
    """
    if experiment.awaits_data and prepare.result is None:
        raise KeyUnknownError(title)


class Step(ABC):
    """A function of the experiment and of its inputs' outputs, and one MLflow run.

    Attributes:
        name: prepare, train, tune, select, evaluate, report, explain, compare or affinity.
        title: The name of its run, such as `train single mnist`; unique among the steps of a command.
        packages: Libraries beside those of arithmetic whose versions its result depends on.
        experiment: The experiment as this step reads it.
        inputs: The steps that are done before it, in this order.
        result: What answers it, once that is known.
    """

    name: StepName
    title: str
    packages: tuple[str, ...] = ()
    experiment: Experiment
    inputs: Sequence["Step"] = ()
    result: StepResult | None = None

    def values(self) -> Mapping[str, Any]:
        """The settings that the result depends on, by dotted key."""
        return values_read(self.experiment, self.name)

    def reads(self) -> Mapping[str, Any]:
        """What the result depends on beside code, libraries, settings and inputs; imports nothing heavy.

        Raises:
            KeyUnknownError: It depends on outputs that are not there yet.
        """
        return {}

    def implementations(self) -> set[str]:
        """Modules whose code counts though no import names them: of the chosen parts that it reads."""
        return implementations(self.experiment, self.name)

    @abstractmethod
    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Do it, when all inputs have a result: write all outputs into an empty folder."""

    @property
    def upstream(self) -> Sequence["Step"]:
        """The inputs whose keys are part of its key."""
        return self.inputs

    def key(self) -> Key:
        """What the result depends on.

        Raises:
            KeyUnknownError: See `reads`.
        """
        upstream = {it.title: it.digest for it in self.upstream}
        return Key(
            {
                "step": self.name,
                "code": code_of(type(self).__module__, *sorted(self.implementations())),
                "versions": versions(*self.packages),
                "values": self.values(),
                **({"upstream": upstream} if upstream else {}),
                **self.reads(),
            }
        )

    @cached_property
    def digest(self) -> str:
        """That of its key."""
        return self.key().digest

    @property
    def outputs(self) -> Path:
        """The folder of its outputs, when it has a result."""
        assert self.result is not None, f"{self.title} has no result yet"
        return self.result.folder

    def tags(self) -> dict[str, str]:
        """Tags beside those of every step."""
        return {}

    def parameters(self) -> dict[str, Any]:
        """What its run logs of the experiment, by dotted key: of what is compared that which it reads."""
        read = self.values()
        return {key: it for key, it in parameters(self.experiment).items() if key in read}

    def folder(self, context: Context) -> Path:
        """Where the outputs go."""
        return context.outputs_folder(self.digest)

    def check_size(self, context: Context) -> None:  # noqa: B027 (most steps take little)
        """Check that it fits into memory, as far as its inputs' results tell.

        Raises:
            Failure: It does not.
        """

    def join(self, context: Context) -> None:  # noqa: B027 (most steps are done on one machine)
        """Help whoever does the step on another machine, until that is done or gone.

        Raises:
            Failure: It cannot be helped.
        """

    def held(self, context: Context) -> AbstractContextManager[None]:
        """What this process must hold alone while it does the step; it is waited for.

        Raises:
            Failure: It cannot be held.
        """
        return nullcontext()

    def settle(self, context: Context) -> None:  # noqa: B027 (most steps leave nothing)
        """What remains to do when the run has finished."""

    def restore(self, context: Context) -> None:  # noqa: B027 (most steps leave nothing)
        """Do again what was undone since its run finished, beside its outputs, which are whole."""


def ordered(*steps: Step) -> list[Step]:
    """These steps and all that they need, as far as that is known, each once and after its inputs."""
    found: dict[Step, None] = {}
    _collect(found, steps)
    return list(found)


def _collect(found: dict[Step, None], steps: Sequence[Step]) -> None:
    for step in steps:
        if step not in found:
            _collect(found, step.inputs)
            found[step] = None


def _one_by_one(*steps: Step) -> Iterator[Step]:
    """As `ordered`, and the inputs too that become known while those before are answered."""
    given = set[Step]()
    while it := next((it for it in ordered(*steps) if it not in given), None):
        given.add(it)
        yield it


def is_forced(context: Context, step: Step) -> bool:
    """Whether the step, or one that it needs, is to run whatever is cached."""
    return any({it.name, it.title} & context.force for it in ordered(step))


def perform(context: Context, step: Step) -> StepResult:
    """Answer a step, after all that it needs, from cached runs or new ones.

    Raises:
        UserError: The experiment or the data are wrong.
        Failure: It could not be done.
    """
    for it in _one_by_one(step):
        if it.title not in context.done:
            context.done[it.title] = _answered(context, it, ordered(step))
        it.result = context.done[it.title]
    assert step.result is not None
    return step.result


def key_of(step: Step) -> Key | None:
    """Its key; None where that depends on outputs that are not there yet."""
    try:
        return step.key()
    except KeyUnknownError:
        return None


def known_when(step: Step) -> str:
    """When a key that is not known yet will be."""
    if not step.inputs:
        return "a source of your own is asked what it reads"
    if step.experiment.awaits_data and ordered(step)[0].result is None:
        return "the data are prepared: they tell how many replicates there are"
    return "the steps before it are done"


def look_up(context: Context, *steps: Step) -> None:
    """Give these steps, and those that they need, the results of their cached runs, where there are some."""
    for it in _one_by_one(*steps):
        with suppress(KeyUnknownError):
            it.result = cached(context, it, aloud=False)


def cached(context: Context, step: Step, aloud: bool = True) -> StepResult | None:
    """The run that answers a step, if it finished and its outputs are here and whole.

    Raises:
        KeyUnknownError: See `Step.reads`.
    """
    folder = step.folder(context)
    here = outputs.digest(folder)
    run = context.tracker.finished(step.digest, here)
    if run is None:
        if here and aloud:
            context.console.line(
                f"{step.title}: its outputs are here, but no finished run is known to have made them: running it again"
            )
        return None
    if problem := outputs.problem(folder, run.data.tags.get(tags.OUTPUTS)):
        if aloud:
            context.console.line(f"{step.title}: run {run.info.run_id[:8]} cannot answer, {problem}: running it again")
        return None
    if aloud:
        context.console.line(f"{step.title}: cached, answered by run {run.info.run_id[:8]}")
    return StepResult(step.title, step.digest, run.info.run_id, folder, cached=True)


def _answered(context: Context, step: Step, wanted: Sequence[Step]) -> StepResult:
    if context.joins and not cached(context, step, aloud=False):
        step.join(context)
    with store_lock(context.project, f"step-{step.digest}", lambda: _say_waiting(context, step)):
        result = step.result = None if is_forced(context, step) else cached(context, step)
        if result:
            step.restore(context)
        else:
            _check_sizes(context, wanted)
            result = _run(context, step)
    if context.parent:
        context.tracker.client.set_tag(
            context.parent, f"{tags.ANSWERED_BY}.{step.title.replace(' ', '_')}", result.run_id
        )
    return result


def _say_waiting(context: Context, step: Step) -> None:
    """Say who in this project does the step already."""
    run = context.tracker.running(step.digest)
    who = process.described(run.data.tags[tags.PROCESS]) if run else "another process"
    context.console.line(f"{step.title}: {who} does it in this project: waiting until that is done or gone")


def _check_sizes(context: Context, wanted: Sequence[Step]) -> None:
    """Check all that is still to be done as soon as data are prepared, and not each when its turn comes."""
    for it in wanted:
        is_prepared = it.inputs and it.inputs[0].result is not None
        if is_prepared and it.title not in context.done and it.title not in context.checked:
            context.checked.add(it.title)
            if not (key_of(it) and cached(context, it, aloud=False)):
                it.check_size(context)


def _run(context: Context, step: Step) -> StepResult:
    started = time.monotonic()
    garbage_collection.normal()
    folder = step.folder(context)
    with step.held(context):
        run = _begin(context, step)
        with run.outcome_recorded():
            run.params(step.parameters())
            run.text(json.dumps(public(step.experiment), indent=1), EXPERIMENT_FILE)
            run.text(json.dumps(step.key().parts, indent=1, sort_keys=True, default=str), KEY_FILE)
            with outputs.published(folder) as partial:
                step.work(context, run, partial)
            run.tags({tags.OUTPUTS: outputs.digest(folder) or ""})
    step.settle(context)
    context.console.line(f"{step.title}: done in {time.monotonic() - started:.1f} s, run {run.id[:8]}")
    return StepResult(step.title, step.digest, run.id, folder, cached=False)


def _begin(context: Context, step: Step) -> "Run":
    """A new run, or with --resume the one that was interrupted."""
    if context.resume and (found := context.tracker.interrupted(step.digest)):
        return context.tracker.resume(found.info.run_id)
    all_tags = {
        tags.STEP: step.name, tags.KEY: step.digest, tags.EXPERIMENT: step.experiment.name, **step.tags()
    }  # fmt: skip
    return context.tracker.start(step.title, all_tags, context.parent)


def logged_experiment(tracker: "Tracker", run_id: str) -> Experiment | None:
    """The experiment as a run read it; None where the run logged none."""
    tree = tracker.json_artifact(run_id, EXPERIMENT_FILE)
    return read_stored(tree) if tree else None
