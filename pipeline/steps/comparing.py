"""The comparison: every arm's study and its winner's networks, then all of them on test at once, then one page."""

from collections.abc import Sequence
from typing import Any

from pipeline.config import with_values
from pipeline.errors import Diverged, Failure
from pipeline.steps.arms import SINGLE, Arm, arms
from pipeline.steps.compare import PAGE, Compare, Compared, decisions, first_line
from pipeline.steps.context import Context
from pipeline.steps.decided import conclude
from pipeline.steps.device import on_device
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.expected import in_words, seeds_s
from pipeline.steps.step import perform
from pipeline.steps.train import Role, Train
from pipeline.steps.tune import Tune, winner_of


def compare(context: Context, prepared: str, device: str) -> dict[str, Any]:
    """Do all of it.

    Args:
        context: Of the command.
        prepared: Key of the prepare step.
        device: Resolved.

    Returns:
        `answer`, `decision`, `decisions` (candidate, against, decision: of every arm) and `report`.

    Raises:
        Failure: Not one arm that shares layers could be trained, or a step could not be done.
    """
    planned = arms(context.experiment)
    for line in budget(context, planned, prepared, device):
        context.say.line(line)
    trained: list[Compared] = []
    failed: dict[str, str] = {}
    for arm in planned:
        try:
            trained.append(_trained(context, arm, prepared, device))
        except Diverged as error:
            failed[arm.title] = str(error)
            context.say.line(f"{arm.title}: left out of the comparison, {error}")
    if any(title.startswith(SINGLE) for title in failed):  # delta-m needs every task's baseline
        trained = [it for it in trained if it.arm.task is None]
    if not [it for it in trained if it.arm.task is None]:
        raise Failure(f"compare: not one arm could be trained: {next(iter(failed.values()))}")
    candidates = [(it.train, it.done) for it in trained]
    evaluated = perform(context, Evaluate(planned[0].experiment, prepared, candidates, "evaluate arms"))
    done = perform(context, Compare(context.experiment, prepared, trained, failed, evaluated))
    return {
        "answer": first_line(done.folder),
        **conclude(context, done),
        "decisions": decisions(done.folder),
        "report": str(done.folder / PAGE),
    }


def _trained(context: Context, arm: Arm, prepared: str, device: str) -> Compared:
    """An arm's winner, trained with the declared seeds."""
    tuned = perform(context, Tune(arm.experiment, prepared, device, arm.title))
    chosen = with_values(arm.experiment, winner_of(tuned.folder))
    role: Role = "single" if arm.task else "arm"
    train = Train(chosen, role, prepared, device, task=arm.task, arm=arm.name)
    return Compared(arm, tuned, train, perform(context, train))


def budget(context: Context, planned: Sequence[Arm], prepared: str, device: str) -> list[str]:
    """What is going to be trained, and about how long it takes."""
    settings = context.experiment.compare
    shared, alone = ([arm for arm in planned if (arm.task is None) is it] for it in (True, False))
    trials, networks = (count * len(planned) for count in (settings.trials, settings.seeds))
    seconds = _expected_s(context, planned, prepared, device)
    return [
        f"compare: {len(shared)} arms that share ({', '.join(arm.name for arm in shared)}) and {len(alone)} "
        f"single-task networks",
        f"  each a study of {settings.trials} trials and {settings.seeds} seeds of its winner: {trials} trials and "
        f"{networks} networks in all, about {in_words(seconds)} of training here; then test is opened once",
    ]


def _expected_s(context: Context, planned: Sequence[Arm], prepared: str, device: str) -> float:
    """Seconds of training by the measured speed of equal weights and what each method is known to cost.

    A single-task network counts as much as one that shares.
    """
    from pipeline.data.prepared import open_prepared
    from pipeline.training.slot import batch_slots
    from pipeline.tuning.pruners import expected_epochs

    equal = on_device(planned[0].experiment, device)
    tuning = equal.tuning
    assert tuning is not None
    data = open_prepared(context.prepared_folder(prepared)).only(equal.tasks)
    batch = min(tuning.batch, tuning.trials)
    trial_s = context.foreman.epoch_s(data, batch_slots(dict.fromkeys(range(batch), equal))) / batch
    study_s = tuning.trials * trial_s * expected_epochs(tuning.pruner, equal.training.epochs)
    winner_s = seeds_s(context, equal, prepared, device)
    return float(sum(arm.cost for arm in planned) * (study_s + winner_s))
