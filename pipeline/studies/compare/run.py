"""The comparison: every arm's study and its winner's networks, then all of them on test at once, then one page."""

from collections.abc import Sequence
from typing import Any

from pipeline.config import Experiment
from pipeline.config.compare import EQUAL, TUNED
from pipeline.errors import Diverged, Failure
from pipeline.steps.budget import in_words, seeds_s
from pipeline.steps.candidates import SINGLE, Arm, winners
from pipeline.steps.context import Context
from pipeline.steps.device import resolve_device
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.prepare import Prepare
from pipeline.steps.step import Step, perform
from pipeline.steps.train import Train
from pipeline.studies.compare.arms import arms
from pipeline.studies.compare.step import Compare

TRIALS = "compare.trials"
"""Names the number of trials of every arm's study."""


def check(experiment: Experiment) -> None:
    """What can be known before any work.

    Raises:
        UserError: See `arms`.
    """
    if experiment.awaits_data:  # which tell to how many replicates trials are dealt out
        tuning = experiment.tuning and experiment.tuning.model_copy(update={"trials": "auto"})
        compare = experiment.compare.model_copy(update={"trials": None})
        experiment = experiment.model_copy(update={"tuning": tuning, "compare": compare})
    arms(experiment)


def run(context: Context) -> dict[str, Any]:
    """Do all of it.

    Returns:
        `answer`, `decision`, `decisions` (candidate, against, decision: of every arm) and `report`.

    Raises:
        Failure: Not one arm that shares layers could be trained, or a step could not be done.
    """
    experiment = context.experiment
    prepare = Prepare(experiment, context.project)
    perform(context, prepare)
    planned = arms(experiment)
    for line in _budget(context, planned, prepare):
        context.console.line(line)
    trained, failed = list[Train](), dict[str, str]()
    for train in training(experiment, prepare):
        try:
            perform(context, train)
            trained.append(train)
        except Diverged as error:
            failed[train.candidate] = str(error)
            context.console.line(f"{train.candidate}: left out of the comparison, {error}")
    if any(title.startswith(SINGLE) for title in failed):  # delta-m needs every task's baseline
        trained = [it for it in trained if it.role != SINGLE]
    if not [it for it in trained if it.role != SINGLE]:
        raise Failure(f"compare: not one arm could be trained: {next(iter(failed.values()))}")
    evaluate = Evaluate(planned[0].experiment, prepare, trained, "evaluate arms", against=(EQUAL, TUNED))
    step = Compare(experiment, prepare, trained, failed, evaluate)
    perform(context, step)
    return step.conclude(context)


def training(experiment: Experiment, prepare: Step) -> list[Train]:
    """Training of every arm's winners.

    Raises:
        UserError: See `arms`.
    """
    return [winners(arm, prepare, resolve_device(experiment)) for arm in arms(experiment)]


def _budget(context: Context, planned: Sequence[Arm], prepare: Step) -> list[str]:
    """What is going to be trained, and about how long it takes.

    By the measured speed of equal weights and what each method is known to cost; a single-task network counts as much
    as one that shares.
    """
    shared, alone = ([arm for arm in planned if (arm.name != SINGLE) is it] for it in (True, False))
    first = planned[0].experiment
    network_s = seeds_s(context, first, prepare) / first.training.seeds
    seconds = sum(arm.experiment.balancing.cost for arm in planned) * network_s * (first.trials + first.replicates)
    return [
        f"compare: {len(shared)} arms that share ({', '.join(arm.name for arm in shared)}) and {len(alone)} "
        f"single-task networks",
        f"  each of {first.replicates} replicates with a study of {first.trials // first.replicates} trials: "
        f"{first.trials * len(planned)} trials and {first.replicates * len(planned)} networks in all, about "
        f"{in_words(seconds)} of training here; then test is opened once",
    ]
