"""The comparison: every arm's study and its winner's networks, then all of them on test at once, then one page."""

from collections.abc import Sequence
from typing import Any

from pipeline.errors import Diverged, Failure
from pipeline.steps.arms import SINGLE, Arm, arms
from pipeline.steps.compare import PAGE, Compare, decisions, first_line
from pipeline.steps.context import Context
from pipeline.steps.decided import conclude
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.expected import in_words, seeds_s
from pipeline.steps.replicated import Replicated, replicated
from pipeline.steps.step import perform


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
    trained: list[Replicated] = []
    failed: dict[str, str] = {}
    for arm in planned:
        try:
            trained.append(replicated(context, arm, prepared, device))
        except Diverged as error:
            failed[arm.title] = str(error)
            context.say.line(f"{arm.title}: left out of the comparison, {error}")
    if any(title.startswith(SINGLE) for title in failed):  # delta-m needs every task's baseline
        trained = [it for it in trained if it.arm.name != SINGLE]
    if not [it for it in trained if it.arm.name != SINGLE]:
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


def budget(context: Context, planned: Sequence[Arm], prepared: str, device: str) -> list[str]:
    """What is going to be trained, and about how long it takes."""
    shared, alone = ([arm for arm in planned if (arm.name != SINGLE) is it] for it in (True, False))
    first = planned[0].experiment
    seconds = _expected_s(context, planned, prepared, device)
    return [
        f"compare: {len(shared)} arms that share ({', '.join(arm.name for arm in shared)}) and {len(alone)} "
        f"single-task networks",
        f"  each of {first.replicates} replicates with a study of {first.trials // first.replicates} trials: "
        f"{first.trials * len(planned)} trials and {first.replicates * len(planned)} networks in all, about "
        f"{in_words(seconds)} of training here; then test is opened once",
    ]


def _expected_s(context: Context, planned: Sequence[Arm], prepared: str, device: str) -> float:
    """Seconds of training by the measured speed of equal weights and what each method is known to cost.

    A single-task network counts as much as one that shares.
    """
    equal = planned[0].experiment
    network_s = seeds_s(context, equal, prepared, device) / equal.training.seeds
    return float(sum(arm.cost for arm in planned) * network_s * (equal.trials + equal.replicates))
