"""Which tasks should share a network: all of them train together and are watched, then groups of them are trained."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pipeline.config import Experiment
from pipeline.config.affinity import TOGETHER
from pipeline.config.problems import one_line
from pipeline.config.training import WatchSettings
from pipeline.errors import UserError
from pipeline.steps.budget import in_words, seeds_s
from pipeline.steps.context import Context
from pipeline.steps.device import resolve_device
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.prepare import Prepare
from pipeline.steps.restricted import group_of, single_task
from pipeline.steps.step import Step, perform
from pipeline.steps.train import Train
from pipeline.studies.affinity.step import Affinity, proposed
from pipeline.tracking.keys import digest

if TYPE_CHECKING:
    from pipeline.studies.affinity.groupings import Group

_LONGEST_NAME = 100


def run(context: Context) -> dict[str, Any]:
    """Do all of it.

    Returns:
        `answer`, `decision` and `report`.

    Raises:
        UserError: There are no groups to find, or a group is nothing for the balancing method.
        Failure: A step could not be done.
    """
    from pipeline.studies.affinity.groupings import groups_of, titled

    experiment, device = context.experiment, resolve_device(context.experiment)
    prepare = Prepare(experiment, context.project)
    perform(context, prepare)
    context.console.line(_budget(context, prepare))

    def train(own: Experiment, name: str) -> Train:
        return Train(own, "group", prepare, device, candidate=name, title=f"train group {name}")

    together = train(_together(experiment), TOGETHER)
    proposal, checked = proposed(perform(context, together).folder, experiment)
    context.console.detail(f"proposed: {titled(proposal)}")
    alone = [Train(single_task(experiment, it), "single", prepare, device, task=it) for it in experiment.tasks]
    groups = [train(_group(experiment, it), _named(it)) for it in groups_of(checked) if len(it) > 1]
    groupings = {TOGETHER: [together.candidate]}
    groupings |= {titled(it): [_candidate_of(group, alone) for group in it] for it in checked}
    trained = [together, *alone, *groups]
    evaluate = Evaluate(experiment, prepare, trained, "evaluate groups", (TOGETHER,), groupings)
    step = Affinity(experiment, prepare, trained, evaluate)
    perform(context, step)
    return step.conclude(context)


def check(experiment: Experiment) -> None:
    """What can be known before any work.

    Raises:
        UserError: There are no groups to find, there is nothing that tasks share, there is one seed, or two tasks alone
            are nothing for the balancing method or its weights.
    """
    if len(experiment.tasks) < 2:
        raise UserError(f"affinity: {experiment.name} has one task, so there is nothing to group")
    if not experiment.model.sharing.shares:
        raise UserError(
            "affinity: model.sharing=separate shares no layers, so tasks do nothing to one another: use "
            "model.sharing=shared"
        )
    if experiment.training.seeds < 2:
        raise UserError(
            "affinity: training.seeds=1 gives no interval, so nothing could be told from noise: give at least 2"
        )
    _together(experiment)
    if experiment.affinity.networks > 1:
        for pair in combinations(experiment.tasks, 2):
            _group(experiment, pair)


def _together(experiment: Experiment) -> Experiment:
    """All tasks in one network, watched.

    Raises:
        UserError: They share no layers.
    """
    watch = WatchSettings(every=experiment.affinity.every, lookahead=True)
    training = experiment.training.model_copy(update={"watch": watch})
    try:
        return group_of(experiment.model_copy(update={"training": training}), list(experiment.tasks))
    except ValidationError as error:
        raise UserError(f"affinity: {one_line(error)}") from None


def _group(experiment: Experiment, tasks: Sequence[str]) -> Experiment:
    """One network for some of the tasks.

    Raises:
        UserError: The balancing method or its weights are nothing for them.
    """
    training = experiment.training.model_copy(update={"watch": None})
    try:
        return group_of(experiment.model_copy(update={"training": training}), tasks)
    except ValidationError as error:
        raise UserError(f"affinity: a network of {' and '.join(tasks)} alone: {one_line(error)}") from None


def _candidate_of(group: "Group", alone: Iterable[Train]) -> str:
    """The candidate that learns a group."""
    return next(it.candidate for it in alone if (it.task,) == group) if len(group) == 1 else _named(group)


def _named(tasks: Sequence[str]) -> str:
    """A group in titles of runs, in which no other characters may stand."""
    name = " and ".join(tasks)
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]} {digest(list(tasks))[:8]}"


def _budget(context: Context, prepare: Step) -> str:
    """What is going to be trained, and how long it takes if each network takes as long as that of all tasks."""
    experiment = context.experiment
    count, it = len(experiment.tasks), experiment.affinity
    groups = min(max(it.check, 2 * it.networks), 2**count - count - 2)  # of two tasks and more, but not all
    more = f", and at most {groups} of groups" if groups else ""
    seconds = (1 + count + groups) * seeds_s(context, experiment, prepare)
    return (
        f"affinity: one network of all {count} tasks, {count} of one task each{more}, each with "
        f"{experiment.training.seeds} seeds, at most about {in_words(seconds)} of training here; then test is opened "
        "once"
    )
