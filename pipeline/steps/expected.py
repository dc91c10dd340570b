"""About how long training takes here, said before it begins."""

from pipeline.config import Experiment
from pipeline.steps.context import Context
from pipeline.steps.device import on_device


def seeds_s(context: Context, experiment: Experiment, prepared: str, device: str) -> float:
    """Seconds that an experiment's seeds train, by the measured speed of this machine.

    Args:
        context: Of the command.
        experiment: It.
        prepared: Key of the prepare step.
        device: Resolved.
    """
    from pipeline.data.prepared import open_prepared
    from pipeline.training.slot import seed_slots

    data = open_prepared(context.prepared_folder(prepared)).only(experiment.tasks)
    slots = seed_slots(on_device(experiment, device), data.chained)
    return float(context.scheduler.training_s(data, slots))


def in_words(seconds: float) -> str:
    """Minutes, or seconds where they are few."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{max(1.0, seconds):.0f} s"
