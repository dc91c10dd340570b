"""`--budget 10m`: plan trials, and epochs where they are given, so that the job ends in time on this machine.

The plan becomes ordinary settings of the experiment, as if they had been given with `--set`, so keys and lineage are
exact; and it is kept, so that the same command is answered by its cached runs the next time.
"""

import json
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.config import Experiment
from pipeline.errors import UserError
from pipeline.steps.context import Context
from pipeline.steps.device import on_device, resolve_device
from pipeline.steps.plan import candidates
from pipeline.steps.prepare import Prepare
from pipeline.steps.step import perform
from pipeline.tracking.keys import digest

if TYPE_CHECKING:
    from pipeline.training.slot import Slot
    from pipeline.tuning.budget import Costs, Plan

_MARGIN = 1.15  # evaluating, tracking and waiting for one another come on top of the training steps
_STEP_S = 2.0  # of tracking and saving, for each training
_EVALUATION_S = 15.0  # evaluate and report
_TRIAL_S = 0.1  # of bookkeeping
_SAFETY = 1.25  # of the study's planned time: after that it begins no batch


def within(context: Context, budget_s: float, last: str, began: float) -> dict[str, float]:
    """Settings, by dotted key, with which the job ends in time.

    Prepares the data, because the speed is measured on them.

    Args:
        context: Of the command.
        budget_s: Seconds from the command's start to its end.
        last: Up to which step.
        began: When the command started, by the monotonic clock.

    Raises:
        UserError: Not even a short plan fits, or the step trains nothing.
    """
    experiment = context.experiment
    if last == "prepare":
        raise UserError("--budget plans training, and prepare trains nothing: leave it out")
    if last == "explain":
        raise UserError("--budget plans training: give it to train or run, then explain with the --set line it says")
    asked = {"experiment": experiment.model_dump(mode="json"), "budget_s": budget_s, "last": last}
    file = context.work / "calibration" / f"budget-{digest(asked)}.json"
    if file.is_file():
        values: dict[str, float] = json.loads(file.read_text())
        context.say.line(f"budget of {_shown(budget_s)}, as planned before: {_as_settings(values)}")
        return values
    values, told = _planned(context, budget_s, last, began)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))
    context.say.line(told)
    return values


def _planned(context: Context, budget_s: float, last: str, began: float) -> tuple[dict[str, float], str]:
    from pipeline.tuning.budget import least, plan

    experiment = context.experiment
    epochs, tuning = _epochs(experiment), experiment.tuning if last != "train" else None
    costs = _costs(context, last)
    left = budget_s - (time.monotonic() - began)
    found = plan(costs, left, epochs, tuning)
    if found is None:
        short = least(costs, epochs, tuning)
        trials = f" and {short.trials} trials" if tuning else ""
        enough = math.ceil((budget_s - left + short.seconds) / 10) * 10
        trained = f"{short.epochs} epochs" if experiment.training.epochs else "its updates"
        raise UserError(
            f"--budget {_shown(budget_s)} is too short for {experiment.name}: {trained}{trials} "
            f"would take about {_shown(enough)} on this machine; give --budget {enough}s or more"
        )
    values: dict[str, float] = {"training.epochs": found.epochs} if experiment.training.epochs else {}
    if tuning:
        values["tuning.trials"] = found.trials
        if tuning.timeout is None:
            values["tuning.timeout"] = float(math.ceil(_SAFETY * found.study_s))
    return values, _told(budget_s, found, costs, values)


def _epochs(experiment: Experiment) -> int:
    """What is planned in place of one length: epochs, where the experiment counts them."""
    return experiment.training.epochs or 1


def _told(budget_s: float, plan: "Plan", costs: "Costs", values: dict[str, float]) -> str:
    planned = "training.epochs" in values
    parts = [f"{plan.epochs} epochs"] if planned else []
    parts += [f"{plan.trials} trials in {_shown(plan.study_s)}"] if plan.trials else []
    speeds = [f"of all that is trained apart from the study {costs.epoch_s:.2g} s"] if costs.epoch_s else []
    speeds += [f"of a trial {costs.trial_epoch_s:.2g} s"] if plan.trials else []
    return (
        f"budget of {_shown(budget_s)}: {', '.join([*parts, _shown(plan.seconds)])} in all; on this machine "
        f"{'an epoch' if planned else 'the training'} {', '.join(speeds)}"
        + (f"\n  the same again: {_as_settings(values)}" if values else "")
    )


def _costs(context: Context, last: str) -> "Costs":
    """What the parts of the job cost, measured on the prepared data."""
    from pipeline.data.prepared import open_prepared
    from pipeline.training.slot import batch_slots, seed_slots
    from pipeline.tuning.budget import Costs

    experiment, device = context.experiment, resolve_device(context.experiment)
    key = perform(context, Prepare(experiment, context.project)).key
    prepared = open_prepared(context.prepared_folder(key))
    trained: list[Experiment] = []
    if last == "train":
        trained = [experiment]
    elif last != "tune":
        trained = [it.experiment for it in candidates(experiment, context.project, key, device)]
        trained += [experiment] if experiment.tuning else []  # the winner is of the default's size, or near it

    def epoch_s(slots: "Sequence[Slot]") -> float:
        seconds: float = context.foreman.training_s(prepared.only(slots[0].experiment.tasks), slots)
        return _MARGIN * seconds / _epochs(slots[0].experiment)

    fixed_s = _STEP_S * (len(trained) + 1) + (_EVALUATION_S if len(trained) > 1 else 0.0)
    outside = sum(epoch_s(seed_slots(on_device(it, device), prepared.chained)) for it in trained)
    if experiment.tuning is None or last == "train":
        return Costs(fixed_s, outside)
    trial = on_device(experiment, device)
    batch = batch_slots(dict.fromkeys(range(experiment.tuning.batch), trial))
    return Costs(fixed_s, outside, epoch_s(batch) / experiment.tuning.batch, _TRIAL_S)


def _as_settings(values: dict[str, float]) -> str:
    return " ".join(f"--set {key}={value:.0f}" for key, value in values.items())


def _shown(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest}s" if minutes and rest else f"{minutes}m" if minutes else f"{rest}s"
