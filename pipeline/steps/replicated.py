"""An arm's study and its replicates: the same for the whole job and for a comparison."""

from dataclasses import dataclass

from pipeline.steps.arms import SINGLE, Arm
from pipeline.steps.context import Context, Done
from pipeline.steps.step import perform
from pipeline.steps.train import Role, Train
from pipeline.steps.tune import Tune, winners_of


@dataclass(frozen=True)
class Replicated:
    """An arm whose replicates are trained.

    Attributes:
        arm: It.
        tuned: Its study; None where there was nothing to search.
        train: The step that trained each replicate's winner anew.
        done: What that answered.
    """

    arm: Arm
    tuned: Done | None
    train: Train
    done: Done


def replicated(context: Context, arm: Arm, prepared: str, device: str) -> Replicated:
    """Run an arm's study, and train the winner of each replicate once more from a fresh seed.

    Args:
        context: Of the command.
        arm: Which.
        prepared: Key of the prepare step.
        device: Resolved.

    Raises:
        Diverged: A study has no winner, or a winner diverges with its fresh seed.
        Failure: A step could not be done.
    """
    tuned = perform(context, Tune(arm, prepared, device)) if arm.experiment.tuning else None
    train = winners_trained(arm, tuned, prepared, device)
    return Replicated(arm, tuned, train, perform(context, train))


def winners_trained(arm: Arm, tuned: Done | None, prepared: str, device: str) -> Train:
    """The step that trains the winner of each replicate."""
    role: Role = "single" if arm.name == SINGLE else "arm" if arm.compared else "tuned"
    # With nothing to search each replicate's winner is the experiment itself.
    winners = winners_of(tuned.folder) if tuned else [{}] * arm.experiment.replicates
    named = arm.name if arm.compared else ""
    return Train(arm.experiment, role, prepared, device, task=arm.task, winners=winners, arm=named)
