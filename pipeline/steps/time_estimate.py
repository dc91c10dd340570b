"""About how long training takes on this machine, printed before it begins."""

from pipeline.config import Experiment
from pipeline.steps.context import Context
from pipeline.steps.device import on_device, resolve_device
from pipeline.steps.step import Step


def seeds_s(context: Context, experiment: Experiment, prepare: Step) -> float:
    """Seconds that training an experiment's seeds takes, by the measured speed of this machine.

    Args:
        context: Of the command.
        experiment: To be trained.
        prepare: Has prepared its data.
    """
    from pipeline.data.prepared import open_prepared
    from pipeline.training.slot import seed_slots

    data = open_prepared(prepare.outputs).only(experiment.tasks)
    slots = seed_slots(on_device(experiment, resolve_device(experiment)), data.chained)
    return float(context.scheduler.training_s(data, slots))


def in_words(seconds: float) -> str:
    """Minutes, or seconds where they are few."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{max(1.0, seconds):.0f} s"
