"""The plan: every step of the whole job in order, with its key as far as it can be known without doing anything."""

from pathlib import Path

from pipeline.config import Experiment, load
from pipeline.config.comparing import TUNED
from pipeline.errors import UserError
from pipeline.steps.arms import arm_named, arms, job_arms
from pipeline.steps.context import Context, Done
from pipeline.steps.device import exactness, resolve_device
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.explain import Chosen, Explain
from pipeline.steps.grouping import check_groups
from pipeline.steps.own_parts import check_own_parts
from pipeline.steps.prepare import Prepare
from pipeline.steps.replicated import winners_trained
from pipeline.steps.report import Report
from pipeline.steps.restricted import on_data_of, single_task
from pipeline.steps.select import Select, selected
from pipeline.steps.step import Step, cached
from pipeline.steps.train import Train
from pipeline.steps.tune import Tune, check_storage_of

Planned = list[tuple[str, Step | None]]


def planned(context: Context) -> Planned:
    """Titles and steps; None where the key depends on what a step before it has yet to find."""
    experiment, device = context.experiment, resolve_device(context.experiment)
    prepare = Prepare(experiment, context.project)
    prepared = prepare.key().digest
    trains: list[Train | None] = [*candidates(experiment, context.project, prepared, device)]
    steps: Planned = [("prepare", prepare), *((train.title, train) for train in trains if train)]
    studies: dict[str, Done] = {}
    for arm in job_arms(experiment):
        train = None
        if arm.experiment.tuning is None:
            train = winners_trained(arm, None, prepared, device)
        else:
            tune = Tune(arm, prepared, device)
            steps.append((tune.title, tune))
            if tuned := cached(context, tune, tune.key().digest, aloud=False):
                studies[arm.title] = tuned
                train = winners_trained(arm, tuned, prepared, device)
        steps.append((f"train {arm.title}", train))
        trains.append(train)
    known = [train for train in trains if train]
    if len(known) < len(trains):
        return [*steps, *((title, None) for title in _after(experiment))]
    trained = [(train, _foreseen(context, train)) for train in known]
    selected: Done | None = None
    if experiment.validates:
        select = Select(experiment, prepared, trained)
        steps.append((select.title, select))
        selected = _foreseen(context, select)
    evaluate = Evaluate(experiment, prepared, trained)
    report = Report(experiment, prepared, trained, studies, selected, _foreseen(context, evaluate))
    return [*steps, (evaluate.title, evaluate), (report.title, report)]


def candidates(experiment: Experiment, project: Path, prepared: str, device: str) -> list[Train]:
    """What is trained without a study: the experiment as written, and the baselines that are not tuned."""
    steps = [Train(experiment, "default", prepared, device)]
    if experiment.baselines.single and experiment.tuning is None:
        steps += [
            Train(single_task(experiment, task), "single", prepared, device, task=task) for task in experiment.tasks
        ]
    if experiment.baselines.separate:
        steps.append(Train(separate(experiment, project), "separate", prepared, device))
    return steps


def to_explain(context: Context, prepared: str, device: str) -> list[tuple[Train, tuple[int, int]]]:
    """The candidates of the networks that were selected, each with the places of its network and of another.

    Where nothing was selected yet it is the experiment as written.
    """
    experiment = context.experiment
    steps = dict(planned(context))
    select = steps.get("select")
    if select and (done := cached(context, select, select.key().digest)):
        networks = {it["step"]: int(it["slot"].removeprefix("seed/")) for it in selected(done.folder)["networks"]}
        chosen = {title: step for title in networks if isinstance(step := steps[title], Train)}
        return [(step, (networks[title], int(not networks[title]))) for title, step in chosen.items()]
    context.say.line("select: the whole job is not done, so the experiment as written is explained")
    return [(candidates(experiment, context.project, prepared, device)[0], (0, 1))]


def explanation(context: Context) -> Explain:
    """The step that explains, which is no part of the whole job, with its key as far as that is known already."""
    experiment = context.experiment
    prepared = Prepare(experiment, context.project).key().digest
    chosen = to_explain(context, prepared, resolve_device(experiment))
    return Explain(experiment, prepared, [Chosen(train, _foreseen(context, train), at) for train, at in chosen])


def separate(experiment: Experiment, project: Path) -> Experiment:
    """The separate baseline on this experiment's data, tasks and seeds.

    Raises:
        UserError: It is no experiment.
    """
    name = experiment.baselines.separate
    assert name is not None
    try:
        other = load(name, {}, project)
    except UserError as error:
        raise UserError(f"baselines.separate: {error}") from None
    return on_data_of(other, experiment)


def check(experiment: Experiment, project: Path, last: str, arm: str = TUNED) -> None:
    """What can be known before any work.

    Args:
        experiment: What is to be done.
        project: The project folder.
        last: Up to which step.
        arm: Whose study it is, of `tune`.

    Raises:
        UserError: Device, sources, baselines, arms or storage are not what they should be.
        Failure: The storage does not answer.
    """
    if last == "tune" and experiment.tuning is None:
        raise UserError(f"{experiment.name} has tuning=null: there is nothing to tune")
    if last == "tune":
        arm_named(experiment, arm)
    if last == "explain" and not experiment.validates:
        raise UserError("explain reads the validation split: give data.validation a share")
    if last == "compare":
        arms(experiment)
    if last == "affinity":
        check_groups(experiment)
    device = resolve_device(experiment)
    Prepare(experiment, project).key()
    for train in candidates(experiment, project, "", device):
        exactness(train.experiment, device)  # code and weights of the user's own are there
    check_own_parts(experiment)
    if experiment.training.augment:
        from pipeline.data.augment import transforms

        for name in experiment.source_names:
            transforms(experiment.training.augmented(name))
    if experiment.tuning is not None:
        check_storage_of(experiment, project)


_DEPENDENT = {
    "prepare": {"prepare", "train", "tune", "select", "evaluate", "report", "explain", "compare", "affinity"},
    "train": {"train", "select", "evaluate", "report", "explain", "compare", "affinity"},
    "tune": {"tune", "train tuned", "select", "evaluate", "report", "explain", "compare"},
    "select": {"select", "report", "explain"},
    "evaluate": {"evaluate", "report", "compare", "affinity"},
    "report": {"report"},
    "explain": {"explain"},
    "compare": {"compare"},
    "affinity": {"affinity"},
}


def expanded(forced: frozenset[str]) -> frozenset[str]:
    """The steps that are forced, by name or title, with all that depends on them."""
    return frozenset(title for name in forced for title in _DEPENDENT[name])


def _after(experiment: Experiment) -> list[str]:
    """Titles of the steps that need all networks."""
    return [*(["select"] if experiment.validates else []), "evaluate", "report"]


def _foreseen(context: Context, step: Step) -> Done:
    """What a step will answer, as far as later keys depend on it."""
    key = step.key().digest
    return Done(step.title, key, "", step.folder(context, key), cached=True)
