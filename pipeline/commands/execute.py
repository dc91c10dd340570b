"""Executes a step or the whole job: checks the experiment, then runs the steps under one parent run."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands.closing import following, found
from pipeline.commands.exit_codes import Stopped
from pipeline.commands.options import Request
from pipeline.commands.show import purpose
from pipeline.commands.together import leading, train_along
from pipeline.commands.torchrun import Launch, check_data_parallel, launch
from pipeline.config import (
    Experiment,
    begins,
    experiment_files,
    load,
    project_folder,
    public,
    with_values,
    without_secrets,
)
from pipeline.errors import Failure, UserError
from pipeline.parent_process import end_with_parent
from pipeline.plugins import add_to_path
from pipeline.printable import printable
from pipeline.steps.checks import check
from pipeline.steps.console import Console
from pipeline.steps.context import Context, Ray
from pipeline.steps.graph import WHOLE, Job, run
from pipeline.steps.runs.logged import notes
from pipeline.steps.runs.parameters import parameters
from pipeline.steps.settling import settle
from pipeline.steps.step import EXPERIMENT_FILE, ordered
from pipeline.studies import STUDIES, study
from pipeline.tracking import tags
from pipeline.tracking.keys import digest
from pipeline.tracking.links import run_page, served_by, whole
from pipeline.tracking.store import check_store, tracking_uri
from pipeline.urls import scrubbed

if TYPE_CHECKING:
    from pipeline.tracking.run import Run
    from pipeline.training.places import Place

_LONGEST_TITLE = 80


def execute(name: str, request: Request) -> None:
    """Run everything up to a step and print where the results are.

    Args:
        name: Name of the command.
        request: The experiment and the options.

    Raises:
        UserError: The experiment is invalid.
        Failure: A step failed.
    """
    launched, project = launch(), add_to_path(project_folder(begin=True))
    if launched and launched.rank:
        train_along(launched, name)
        return
    console = Console(request.quiet or request.as_json)
    context, result = carry_out(name, request, project, console, launched)
    _conclude(name, context, result, request)


def carry_out(
    name: str, request: Request, project: Path, console: Console, launched: Launch | None = None
) -> tuple[Context, dict[str, Any]]:
    """Run everything up to a step.

    Args:
        name: Name of the command.
        request: The experiment and the options.
        project: The project folder.
        console: Shows progress.
        launched: How this process was started, with others that train along.

    Returns:
        What the steps shared, with their results, and the JSON-able result of the last.

    Raises:
        UserError: The experiment is invalid.
        Failure: A step failed.
        Stopped: The process received SIGTERM or SIGINT, and all runs are ended.
    """
    started, notice = time.monotonic(), begins(add_to_path(project))
    with _errors_reported_to_launcher(project):
        experiment = load(request.experiment, request.values, project)
        if name in STUDIES:
            study(name).check(experiment)
        check(experiment, project, name, request.arm)
        if launched:
            launched.check_command(name)
            launched.check(experiment)
        check_data_parallel(experiment, name, request.engine, launched)
        engine = _own_engine(name, request, experiment) if request.join else _engine(request, launched)
        if request.checkpoints:
            from pipeline.training.places import check_place

            check_place(request.checkpoints)
    check_store(tracking_uri(project))
    if notice:
        console.line(notice)
    _end_with_launcher()
    from pipeline.steps.runs import answer
    from pipeline.tracking.tracker import Tracker

    tracker = Tracker(project, experiment.name, f"headway {name} {experiment.name}")
    tracker.end_orphaned_runs()
    context = Context(
        project, experiment, tracker, console, resume=request.resume, force=request.force,
        promote=request.promote, command=request.as_command(name), title=_title(name, experiment, request),
        checkpoints=_checkpoints(request, console), engine=engine, joins=request.join,
    )  # fmt: skip
    with (
        closing(context),
        _signals_raise(),
        leading(launched, context),
        _parent(context, name, request.budget_s) as parent,
    ):
        _describe_experiment(context)
        settle(context)
        _plan(context, name, request, started)
        parent.params(parameters(context.experiment))
        parent.text(json.dumps(public(context.experiment), indent=1), EXPERIMENT_FILE)
        result = study(name).run(context) if name in STUDIES else run(context, name, request.arm)
        answer.conclude(context, parent, result)
    return context, result


@contextmanager
def _errors_reported_to_launcher(project: Path) -> Iterator[None]:
    """Under `mlflow run` tag the launcher's run with the error if no step can be started."""
    try:
        yield
    except (UserError, Failure) as error:
        if os.environ.get("MLFLOW_RUN_ID"):
            from pipeline.tracking.tracker import Tracker

            with suppress(UserError, Failure):
                check_store(tracking_uri(project))
                Tracker(project, None).tag_launcher_run({tags.OUTCOME: scrubbed(str(error))})
        raise


def _engine(request: Request, launched: Launch | None) -> Ray | None:
    """The Ray cluster that is asked for, if any.

    Raises:
        UserError: Ray is not installed, the address is wrong, or several processes train each network.
        Failure: No cluster answers there.
    """
    if request.engine != "ray":
        return None
    if launched:
        raise UserError("--engine ray: several processes were started to train each network: leave one of the two out")
    from pipeline.training.workers.ray.cluster import check_cluster, check_installed

    check_installed()
    return Ray(check_cluster(request.address) if request.address else None)


def _own_engine(name: str, request: Request, experiment: Experiment) -> Ray | None:
    """Where a machine that joins trains what nobody else does: the cluster that is asked for, if it is a node already.

    Raises:
        UserError: There is no study to join, Ray is not installed, or the address is wrong.
        Failure: No cluster answers there.
    """
    if experiment.tuning is None and name != "compare":
        raise UserError(f"--join is for a study that runs elsewhere, and {experiment.name} has none: leave it out")
    from pipeline.training.workers.ray.cluster import check_cluster, check_installed

    check_installed("--join")
    if request.address == "auto":  # here there need not be one yet
        with suppress(Failure):
            return Ray(check_cluster(request.address))
    elif request.address:
        found = check_cluster(request.address, joins=True)
        return Ray(found) if found.here else None
    return None


def _checkpoints(request: Request, console: Console) -> "Place | None":
    """Where `--checkpoints` are kept, if it is given."""
    if not request.checkpoints:
        return None
    from pipeline.training.places import place_of

    return place_of(request.checkpoints, console.line)


@contextmanager
def _parent(context: Context, name: str, budget_s: float | None) -> Iterator["Run"]:
    """The pipeline's run, whose status is that of the block."""
    experiment = context.experiment
    key = digest({"command": name, "budget_s": budget_s, "experiment": public(experiment)})
    run_tags = {
        tags.STEP: name, tags.COMMAND: name, tags.EXPERIMENT: experiment.name, tags.KEY: f"parent-{key}"
    }  # fmt: skip
    resumable = context.resume and not context.tracker.launcher_run
    found = context.tracker.interrupted(run_tags[tags.KEY], here=True) if resumable else None
    run = context.tracker.resume(found.info.run_id) if found else context.tracker.parent(context.title, run_tags)
    context.parent = run.id
    with run.outcome_recorded():
        yield run


def _describe_experiment(context: Context) -> None:
    """Describe MLflow's experiment, where it is that of this experiment alone."""
    from pipeline.steps.runs.answer import described

    experiment, tracker = context.experiment, context.tracker
    if tracker.experiment().name == experiment.name:
        file = experiment_files(context.project).get(experiment.name)
        tracker.describe_experiment(described(context, purpose(file) if file else ""))


def _title(name: str, experiment: Experiment, request: Request) -> str:
    """What the pipeline's run is called: the experiment, the command, and what was set over the experiment's file."""
    words = [experiment.name, *([] if name == WHOLE else [name])]
    words += [f"{key.rpartition('.')[2]}={without_secrets(key, it)}" for key, it in request.values.items()]
    words += [f"arm={request.arm}"] if request.arm else []
    words += [f"budget={request.budget_s:g}s"] if request.budget_s else []
    words += [f"forced {it}" for it in sorted(request.force)]
    title = printable(" ".join(words))
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 3]}..."


def _plan(context: Context, name: str, request: Request, started: float) -> None:
    """Set the number of trials, if it is `auto` or a budget is given.

    Raises:
        UserError: Not even the shortest study fits into the budget, or the command runs no study.
    """
    from pipeline.steps.budget import TRIALS, as_planned, planned

    experiment, setting = context.experiment, TRIALS
    job = Job.of(context)
    trained = job.trained
    if name == "compare":
        trained, setting = study(name).training(experiment, job.prepare), study(name).TRIALS
    elif name in STUDIES or not any(it.name == "tune" for it in ordered(*job.last(name, request.arm))):
        trained = []
    if request.budget_s is not None and not trained:
        raise UserError(
            f"--budget plans the trials of a study, and {name} of {experiment.name} runs none: leave it out"
        )
    if values := planned(context, trained, setting, request.budget_s, started):
        context.experiment = with_values(experiment, values)
        context.command = replace(request, values=request.values | values).as_command(name)
    elif name == "explain":  # explains the model that the whole job selected
        context.experiment = as_planned(context)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C raise an exception, so that runs are ended and the user is told how to resume them.

    Python lets the main thread alone handle signals: in another nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: Any) -> None:
        # Launchers send it several times, or another one after it; a second one must not interrupt ending the runs.
        for it in before:
            signal.signal(it, signal.SIG_IGN)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _end_with_launcher() -> None:
    """Under `mlflow run`, end this process when the launcher ends, which does not end its children."""
    if not os.environ.get("MLFLOW_RUN_ID"):
        return
    if not end_with_parent(signal.SIGTERM, os.getppid()):
        os.kill(os.getpid(), signal.SIGTERM)


def _conclude(name: str, context: Context, result: dict[str, Any], request: Request) -> None:
    if request.as_json:
        print(json.dumps(_as_json(context, result)))
    if context.console.quiet:
        return
    for line in _where_to_look(context, result):
        context.console.line(line)
    context.console.line(f"next:   {following(name, request, context.experiment)}")


def _as_json(context: Context, result: dict[str, Any]) -> dict[str, Any]:
    steps = [
        {"step": done.title, "key": done.key, "run_id": done.run_id, "cached": done.cached, "outputs": str(done.folder)}
        for done in context.done.values()
    ]
    summary = {
        "experiment": context.experiment.name, "run_id": context.parent, "page": _page(context), "steps": steps
    }  # fmt: skip
    return {**summary, **result, "notes": _fallbacks(context)}


def _fallbacks(context: Context) -> list[str]:
    """Sentences on networks whose balancing method often had no solution."""
    return notes(context, (tags.FALLBACKS,), "train")


def _where_to_look(context: Context, result: dict[str, Any]) -> Iterator[str]:
    if answer := result.get("answer"):
        yield answer
    else:
        yield from found(context)
    yield from _fallbacks(context)
    if report := result.get("report"):
        yield f"report: {_short(Path(report), context.project)}"
    if model := result.get("model"):
        yield f"model:  {model} (headway predict --model {model} --input FILE --output FILE)"
    ui = served_by(context.project)
    served = f", served by: {ui}" if ui else ""
    yield f"runs:   {_page(context)} (experiment {context.tracker.experiment().name}{served})"


def _page(context: Context) -> str:
    """The address of the pipeline's own run."""
    return whole(context.project, run_page(context.tracker.experiment_id, context.parent or ""))


def _short(path: Path, project: Path) -> str:
    return str(path.relative_to(project)) if path.is_relative_to(project) else str(path)
