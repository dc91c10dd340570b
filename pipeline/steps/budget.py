"""How many trials a replicate has: as many as fit into `--budget 10m`, or six where the whole job is not too long.

The length of training is never cut: a shorter one would answer another question. A plan becomes an ordinary setting of
the experiment, as if it had been given with `--set`, so keys and lineage are exact; and it is kept beside the studies
that it is for, so that the same job is answered by its cached runs the next time, however busy the machine is then.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Experiment, with_values
from pipeline.config.tuning import TRIALS_A_REPLICATE
from pipeline.errors import UserError
from pipeline.steps.arms import Arm, arms, job_arms
from pipeline.steps.context import Context
from pipeline.steps.device import on_device, resolve_device
from pipeline.steps.plan import candidates
from pipeline.steps.prepare import Prepare
from pipeline.steps.step import perform
from pipeline.steps.tune import Tune
from pipeline.tracking.keys import digest

if TYPE_CHECKING:
    from pipeline.data.prepared import Prepared

LONG_S = 600.0
"""A job that takes longer on this machine gets fewer trials than `auto` would give it."""

LEAST = 3
"""Trials of a replicate that `auto` gives at the least."""

_MOST = 200  # a replicate gains little from more, and a sampler proposes ever more slowly
_MARGIN = 1.15  # evaluating, tracking and waiting for one another come on top of the training
_STEP_S = 2.0  # of tracking and saving, for each training
_EVALUATION_S = 15.0  # evaluate and report
_TRIAL_S = 0.1  # of bookkeeping
_SLOW_STEP_S = 1e-3  # of a network too small for its arithmetic to count: if even so it fits, nothing is measured


def planned(context: Context, last: str, budget_s: float | None, began: float) -> dict[str, int]:
    """The number of trials of every arm, by dotted key; empty where it is said or nothing is tuned.

    Prepares the data where the speed has to be measured, because it is measured on them.

    Args:
        context: Of the command.
        last: Up to which step.
        budget_s: Seconds from the command's start to its end; None for what `auto` gives.
        began: When the command started, by the monotonic clock.

    Raises:
        UserError: Not even the shortest study fits into the budget, or the step runs none.
    """
    experiment = context.experiment
    if budget_s is not None and (last not in ("run", "tune", "evaluate", "report") or experiment.tuning is None):
        raise UserError(
            f"--budget plans the trials of a study, and {last} of {experiment.name} runs none: leave it out"
        )
    if not _is_open(experiment, last) and budget_s is None:
        return {}
    file, key, planned_for = _place(context, last, budget_s)
    replicates = planned_for[0].experiment.replicates
    if (known := _read(file)) is not None:
        context.say.line(f"{known * replicates} trials an arm, as planned before (--set {key}={known * replicates})")
        return {key: known * replicates}
    job = _Job(context, planned_for, [] if last == "compare" else None)
    if budget_s is None:
        found = _within(job, LONG_S, TRIALS_A_REPLICATE) or LEAST
    else:
        found = _budgeted(context, job, budget_s, began)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"trials_a_replicate": found}), encoding="utf-8")
    context.say.line(
        f"{found * replicates} trials an arm, {found} a replicate{job.told(found)} (--set {key}={found * replicates} "
        "repeats it)"
    )
    return {key: found * replicates}


def as_planned(context: Context) -> Experiment:
    """The experiment with the trials of the whole job that were planned for it, if they were."""
    experiment = context.experiment
    if not _is_open(experiment, "run"):
        return experiment
    file, key, planned_for = _place(context, "run", None)
    known = _read(file)
    return with_values(experiment, {key: known * planned_for[0].experiment.replicates}) if known else experiment


def _place(context: Context, last: str, budget_s: float | None) -> tuple[Path, str, list[Arm]]:
    """Where a plan is kept, the setting that it is of, and the arms that it is for."""
    experiment, device = context.experiment, resolve_device(context.experiment)
    planned_for = arms(experiment) if last == "compare" else job_arms(experiment)
    prepared = Prepare(experiment, context.project).key().digest
    studies = [Tune(arm, prepared, device).identity().digest for arm in planned_for if arm.experiment.tuning]
    file = context.work / "plans" / f"{digest([studies, budget_s])}.json"
    return file, "compare.trials" if last == "compare" else "tuning.trials", planned_for


class _Job:
    """What the whole job takes with so many trials a replicate.

    Args:
        context: Of the command.
        planned: The arms.
        others: What is trained beside them; None for the candidates of the whole job.
    """

    def __init__(self, context: Context, planned: Sequence[Arm], others: list[Experiment] | None) -> None:
        from pipeline.data.prepared import open_prepared

        experiment, device = context.experiment, resolve_device(context.experiment)
        self._context, self._arms, self._device = context, planned, device
        key = perform(context, Prepare(experiment, context.project)).key
        self._prepared = open_prepared(context.prepared_folder(key))
        if others is None:
            others = [it.experiment for it in candidates(experiment, context.project, key, device)]
        self._others = others
        self._measured = False
        self._network_s: Callable[[Experiment], float] = self._at_most

    def measure(self) -> None:
        """Count with the speed of this machine from now on."""
        self._network_s, self._measured = self._by_speed, True

    def seconds(self, trials: int) -> float:
        """Of the whole job with so many trials a replicate."""
        networks: list[tuple[Experiment, float]] = [(it, it.training.seeds) for it in self._others]
        networks += [(it.experiment, (trials * self._share(it) + 1) * it.experiment.replicates) for it in self._arms]
        trained = sum(count * self._network_s(it) * it.balancing.cost for it, count in networks)
        told = _TRIAL_S * trials * sum(arm.experiment.replicates for arm in self._arms if arm.experiment.tuning)
        return _MARGIN * trained + told + _STEP_S * len(networks) + _EVALUATION_S

    def told(self, trials: int) -> str:
        """About how long it takes, where that was measured."""
        return f", about {_shown(self.seconds(trials))} in all on this machine" if self._measured else ""

    def _share(self, arm: Arm) -> float:
        """Networks that a trial of an arm trains, a pruned one for a part."""
        from pipeline.training.length import length_of
        from pipeline.tuning.pruners import expected_share

        experiment = arm.experiment
        if experiment.tuning is None:
            return 0.0
        looks = length_of(self._of(experiment), experiment).looks
        share: float = expected_share(experiment.tuning.pruner, looks)
        return share * (experiment.training.folds or 1)

    def _at_most(self, experiment: Experiment) -> float:
        """Seconds of a network's training that are hardly ever passed, without measuring."""
        from pipeline.training.workers.calibration import guess

        data = self._of(experiment)
        step_s: float = max(4 * guess(data, experiment), _SLOW_STEP_S)
        return _updates(data, experiment) * step_s

    def _by_speed(self, experiment: Experiment) -> float:
        """Seconds of a network's training among others, by the measured speed of the shared network."""
        from pipeline.training.slot import batch_slots
        from pipeline.training.workers.calibration import guess

        whole = on_device(self._arms[0].experiment, self._device)
        data = self._of(whole)
        assert whole.tuning is not None
        batch = batch_slots(dict.fromkeys(range(whole.tuning.batch), whole))
        one_s: float = self._context.scheduler.training_s(data, batch) / len(batch)
        own = self._of(experiment)
        share: float = guess(own, experiment) / guess(data, whole)
        return one_s * share * _updates(own, experiment) / _updates(data, whole)

    def _of(self, experiment: Experiment) -> "Prepared":
        return self._prepared.only(experiment.tasks)


def _updates(data: "Prepared", experiment: Experiment) -> int:
    from pipeline.training.length import length_of

    updates: int = length_of(data, experiment).updates
    return updates


def _is_open(experiment: Experiment, last: str) -> bool:
    """Whether the number of trials of a study is left to be planned."""
    if last == "compare":
        return experiment.compare.trials is None and (experiment.tuning is None or experiment.tuning.trials == "auto")
    return last in ("run", "tune", "evaluate", "report") and bool(
        experiment.tuning and experiment.tuning.trials == "auto"
    )


def _within(job: _Job, seconds: float, most: int) -> int:
    """The most trials a replicate that fit; 0 where not even the fewest do. The speed is measured if that matters."""
    if job.seconds(most) <= seconds:
        return most
    job.measure()
    return next((trials for trials in range(most, LEAST - 1, -1) if job.seconds(trials) <= seconds), 0)


def _budgeted(context: Context, job: _Job, budget_s: float, began: float) -> int:
    """The most trials a replicate that fit into what is left of a budget.

    Raises:
        UserError: Not even one does.
    """
    job.measure()
    job.seconds(1)  # measures
    left = budget_s - (time.monotonic() - began)
    found = next((trials for trials in range(_MOST, 0, -1) if job.seconds(trials) <= left), 0)
    if found:
        return found
    enough = math.ceil((budget_s - left + job.seconds(1)) / 10) * 10
    raise UserError(
        f"--budget {_shown(budget_s)} is too short for {context.experiment.name}: one trial a replicate, trained to "
        f"its end, would take about {_shown(enough)} on this machine; give --budget {enough}s or more"
    )


def _read(file: Path) -> int | None:
    """A plan that was kept; None where there is none that can be read."""
    try:
        return int(json.loads(file.read_text(encoding="utf-8"))["trials_a_replicate"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _shown(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest}s" if minutes and rest else f"{minutes}m" if minutes else f"{rest}s"
