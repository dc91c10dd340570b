"""Learning-rate schedules: the factor on the rate as a function of the step alone."""

import math

from pipeline.config.training import TrainingSettings

_UP = 0.3  # share of the steps in which one-cycle rises
_START, _END = 1 / 25, 1 / 25e4  # where one-cycle begins and ends, as shares of the peak


def schedule_factor(settings: TrainingSettings, step: int, total: int, steps_per_epoch: int) -> float:
    """The factor on the learning rate in a step.

    Args:
        settings: Schedule and warm-up.
        step: Counted over the whole training, from 0.
        total: Steps of the whole training.
        steps_per_epoch: Steps of an epoch.

    Returns:
        A factor in [0, 1]; the plateau schedule's factor is separate, since it depends on the slot.
    """
    warmup = round(settings.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return (step + 1) / warmup
    step, total = step - warmup, total - warmup
    if settings.schedule == "cosine":  # Loshchilov & Hutter 2017, without restarts
        return _ramp(1.0, 0.0, step / total)
    if settings.schedule == "one_cycle":  # Smith & Topin 2018, with cosine ramps as in torch's OneCycleLR
        top, last = max(0.0, _UP * total - 1), max(1, total - 1)
        if step < top:
            return _ramp(_START, 1.0, step / top)
        return _ramp(1.0, _END, (step - top) / (last - top))
    return 1.0


def _ramp(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * progress))
