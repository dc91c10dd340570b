"""The plan: every step of the whole job in order, with its key as far as it can be known without doing anything."""

from pathlib import Path

from pipeline.config import Experiment, load, with_values
from pipeline.errors import UserError
from pipeline.steps.arms import arms
from pipeline.steps.context import Context, Done
from pipeline.steps.device import exactness, resolve_device
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.explain import Chosen, Explain
from pipeline.steps.grouping import check_groups
from pipeline.steps.own_parts import check_own_parts
from pipeline.steps.prepare import Prepare
from pipeline.steps.report import Report
from pipeline.steps.step import Step, cached
from pipeline.steps.train import Train, on_data_of, single_task
from pipeline.steps.tune import Tune, check_storage_of, winner_of

Planned = list[tuple[str, Step | None]]


def planned(context: Context) -> Planned:
    """Titles and steps; None where the key depends on what a step before it has yet to find."""
    experiment, device = context.experiment, resolve_device(context.experiment)
    prepare = Prepare(experiment, context.project)
    prepared = prepare.key().digest
    trains = candidates(experiment, context.project, prepared, device)
    steps: Planned = [("prepare", prepare), *((train.title, train) for train in trains)]
    tuned: Done | None = None
    if experiment.tuning is not None:
        tune = Tune(experiment, prepared, device)
        steps.append((tune.title, tune))
        tuned = cached(context, tune, tune.key().digest, aloud=False)
        if tuned is None:
            return [*steps, ("train tuned", None), ("evaluate", None), ("report", None)]
        trains.append(winner(experiment, tuned, prepared, device))
        steps.append((trains[-1].title, trains[-1]))
    trained = [(train, _foreseen(context, train)) for train in trains]
    evaluate = Evaluate(experiment, prepared, trained)
    report = Report(experiment, prepared, trained, tuned, _foreseen(context, evaluate))
    return [*steps, (evaluate.title, evaluate), (report.title, report)]


def candidates(experiment: Experiment, project: Path, prepared: str, device: str) -> list[Train]:
    """What is trained whatever the search finds: default, then the baselines."""
    wins = experiment.tuning is None and experiment.validates
    steps = [Train(experiment, "default", prepared, device, wins=wins)]
    if experiment.baselines.single:
        steps += [
            Train(single_task(experiment, task), "single", prepared, device, task=task) for task in experiment.tasks
        ]
    if experiment.baselines.separate:
        steps.append(Train(separate(experiment, project), "separate", prepared, device))
    return steps


def winner(experiment: Experiment, tuned: Done, prepared: str, device: str) -> Train:
    """The study's best trial, trained with the declared seeds."""
    return Train(with_values(experiment, winner_of(tuned.folder)), "tuned", prepared, device, wins=True)


def to_explain(context: Context, prepared: str, device: str) -> Train:
    """The winner where the study is done, else the experiment as written."""
    experiment = context.experiment
    if experiment.tuning is not None:
        tune = Tune(experiment, prepared, device)
        if tuned := cached(context, tune, tune.key().digest):
            return winner(experiment, tuned, prepared, device)
        context.say.line("tune: the study is not done, so the experiment as written is explained")
    return candidates(experiment, context.project, prepared, device)[0]


def explanation(context: Context) -> Explain:
    """The step that explains, which is no part of the whole job, with its key as far as that is known already."""
    experiment = context.experiment
    prepared = Prepare(experiment, context.project).key().digest
    chosen = to_explain(context, prepared, resolve_device(experiment))
    return Explain(experiment, prepared, [Chosen(chosen, _foreseen(context, chosen))])


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


def check(experiment: Experiment, project: Path, last: str) -> None:
    """What can be known before any work.

    Args:
        experiment: What is to be done.
        project: The project folder.
        last: Up to which step.

    Raises:
        UserError: Device, sources, baselines, arms or storage are not what they should be.
        Failure: The storage does not answer.
    """
    if last == "tune" and experiment.tuning is None:
        raise UserError(f"{experiment.name} has tuning=null: there is nothing to tune")
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
    "prepare": {"prepare", "train", "tune", "evaluate", "report", "explain", "compare", "affinity"},
    "train": {"train", "evaluate", "report", "explain", "compare", "affinity"},
    "tune": {"tune", "train tuned", "evaluate", "report", "explain", "compare"},
    "evaluate": {"evaluate", "report", "compare", "affinity"},
    "report": {"report"},
    "explain": {"explain"},
    "compare": {"compare"},
    "affinity": {"affinity"},
}


def expanded(forced: frozenset[str]) -> frozenset[str]:
    """The steps that are forced, by name or title, with all that depends on them."""
    return frozenset(title for name in forced for title in _DEPENDENT[name])


def _foreseen(context: Context, step: Step) -> Done:
    """What a step will answer, as far as later keys depend on it."""
    key = step.key().digest
    return Done(step.title, key, "", step.folder(context, key), cached=True)
