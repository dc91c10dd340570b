"""How many trials a replicate has: as many as fit into `--budget 10m`, or six where the whole job is not too long.

The length of training is never cut: a shorter one would answer another question. A plan becomes an ordinary setting of
the experiment, as if it had been given with `--set`, so keys and lineage are exact; and it is kept beside the studies
that it is for, so that the same job is answered by its cached runs the next time, however busy the machine is then.
"""

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Experiment, with_values
from pipeline.config.balancing import Balancing
from pipeline.config.tuning import TRIALS_A_REPLICATE
from pipeline.errors import UserError
from pipeline.steps.context import Context
from pipeline.steps.device import on_device, resolve_device
from pipeline.steps.graph import Job
from pipeline.steps.step import Step, key_of, look_up, perform
from pipeline.steps.train import Train
from pipeline.steps.tune import Tune
from pipeline.tracking.keys import digest

if TYPE_CHECKING:
    from pipeline.data.prepared import Prepared

TRIALS = "tuning.trials"

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


def planned(
    context: Context, trained: Sequence[Train], setting: str, budget_s: float | None, began: float
) -> dict[str, int]:
    """The number of trials of every study, by dotted key; empty where it is given.

    Prepares the data where the speed has to be measured, because it is measured on them.

    Args:
        context: Of the command.
        trained: All that the command trains, with a study or without.
        setting: Dotted key of the number of trials.
        budget_s: Seconds from the command's start to its end; None for what `auto` gives.
        began: When the command started, by the monotonic clock.

    Raises:
        UserError: Not even the shortest study fits into the budget.
    """
    studies = _studies(trained)
    if budget_s is None and not _is_open(studies):
        return {}
    if context.experiment.awaits_data:
        perform(context, trained[0].inputs[0])
    file = _place(context, studies, budget_s)
    replicates = studies[0].experiment.replicates
    if (known := _read(file)) is not None:
        count = known * replicates
        context.console.line(f"{count} trials an arm, as planned before (--set {setting}={count})")
        return {setting: count}
    cost = _Cost(context, trained)
    if budget_s is None:
        found = _within(cost, LONG_S, TRIALS_A_REPLICATE) or LEAST
    else:
        found = _budgeted(context, cost, budget_s, began)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"trials_a_replicate": found}), encoding="utf-8")
    count = found * replicates
    context.console.line(
        f"{count} trials an arm, {found} a replicate{cost.shown(found)} (--set {setting}={count} repeats it)"
    )
    return {setting: count}


def as_planned(context: Context) -> Experiment:
    """The experiment with the trials of the whole job that were planned for it, if they were."""
    experiment = context.experiment
    job = Job.of(context)
    studies = _studies(job.trained)
    look_up(context, job.prepare)
    if not _is_open(studies) or not all(key_of(it) for it in studies):
        return experiment
    if not (known := _read(_place(context, studies, None))):
        return experiment
    return with_values(experiment, {TRIALS: known * studies[0].experiment.replicates})


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
    slots = seed_slots(on_device(experiment, resolve_device(experiment)), data)
    return float(context.scheduler.training_s(data, slots))


def in_words(seconds: float) -> str:
    """Minutes, or seconds where they are few."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{max(1.0, seconds):.0f} s"


def _studies(trained: Sequence[Train]) -> list[Tune]:
    return [it.study for it in trained if isinstance(it.study, Tune)]


def _is_open(studies: Sequence[Tune]) -> bool:
    """Whether the number of trials is left to be planned."""
    tuning = studies[0].experiment.tuning if studies else None
    return tuning is not None and tuning.trials == "auto"


def _place(context: Context, studies: Sequence[Tune], budget_s: float | None) -> Path:
    """Where a plan is kept."""
    return context.work / "plans" / f"{digest([[it.identity().digest for it in studies], budget_s])}.json"


class _Cost:
    """Seconds that a command takes with so many trials a replicate.

    Args:
        context: Of the command.
        trained: All that it trains.
    """

    def __init__(self, context: Context, trained: Sequence[Train]) -> None:
        from pipeline.data.prepared import open_prepared

        self._context, self._trained = context, trained
        self._studies = [it.experiment for it in _studies(trained)]
        self._prepared = open_prepared(perform(context, trained[0].inputs[0]).folder)
        self._measured = False
        self._networks_s: list[float] = []

    def measure(self) -> None:
        """Count with the speed of this machine from now on."""
        self._networks_s, self._measured = [self._by_speed(it.experiment) for it in self._trained], True

    def seconds(self, trials: int) -> float:
        """Of everything, with so many trials a replicate."""
        if not self._networks_s:
            self._networks_s = [self._at_most(it.experiment) for it in self._trained]
        each = zip(self._trained, self._networks_s, strict=True)
        trained = sum(network_s * self._networks(it, trials) for it, network_s in each)
        tracked = _TRIAL_S * trials * sum(map(self._replicates, self._studies))
        return _MARGIN * trained + tracked + _STEP_S * len(self._trained) + _EVALUATION_S

    def shown(self, trials: int) -> str:
        """About how long it takes, where that was measured."""
        return f", about {_shown(self.seconds(trials))} in all on this machine" if self._measured else ""

    def _networks(self, train: Train, trials: int) -> float:
        """Networks that a step and its study train, a pruned trial for a part."""
        from pipeline.training.length import length_of
        from pipeline.tuning.pruners import expected_share

        experiment = train.experiment
        if train.study is None or experiment.tuning is None:
            return len(train.experiments)
        looks = length_of(self._seen(experiment), experiment).looks
        share = expected_share(experiment.tuning.pruner, looks) * (experiment.training.folds or 1)
        return (trials * share + 1) * self._replicates(experiment)

    def _replicates(self, experiment: Experiment) -> int:
        """Those of an arm; where every row tests one more, as if each were the champion's."""
        return experiment.replicates + bool(self._prepared.replicates)

    def _at_most(self, experiment: Experiment) -> float:
        """Seconds of a network's training that are hardly ever passed, without measuring."""
        from pipeline.training.workers.calibration import guess

        seen = self._seen(experiment)
        step_s: float = max(4 * guess(seen, experiment), _SLOW_STEP_S)
        return _updates(seen, experiment) * step_s * experiment.balancing.cost

    def _by_speed(self, experiment: Experiment) -> float:
        """Seconds of a network's training among others, by the measured speed of the shared network with its method."""
        from pipeline.training.slot import batch_slots
        from pipeline.training.workers.calibration import guess

        whole = _trained_as(experiment, on_device(self._studies[0], resolve_device(self._studies[0])))
        data = self._of(whole)
        assert whole.tuning is not None
        batch = batch_slots(dict.fromkeys(range(whole.tuning.batch), whole), data)
        one_s: float = self._context.scheduler.training_s(data, batch) / len(batch)
        own, seen = self._seen(experiment), self._seen(whole)
        share: float = guess(own, experiment) / guess(seen, whole)
        return one_s * share * _updates(own, experiment) / _updates(seen, whole)

    def _of(self, experiment: Experiment) -> "Prepared":
        return self._prepared.only(experiment.tasks)

    def _seen(self, experiment: Experiment) -> "Prepared":
        """The data as a network sees them, which learns from the rows of its replicate and fold alone."""
        from pipeline.training.slot import trial_slots

        data = self._of(experiment)
        *_, slot = trial_slots(0, experiment, data)
        return data.view(slot.replicate, slot.fold)


def _trained_as(experiment: Experiment, whole: Experiment) -> Experiment:
    """An experiment's tasks and network, with another's balancing method and watch, which steps take time for."""
    method, training = experiment.balancing, whole.training.model_copy(update={"watch": experiment.training.watch})
    if experiment.tasks.keys() != whole.tasks.keys() and not method.own_path:
        method = Balancing.of(method.method)  # weights of some tasks are none of all
    return whole.model_copy(update={"balancing": method, "training": training})


def _updates(data: "Prepared", experiment: Experiment) -> int:
    from pipeline.training.length import length_of

    return length_of(data, experiment).updates


def _within(cost: _Cost, seconds: float, most: int) -> int:
    """The most trials a replicate that fit; 0 where not even the fewest do. The speed is measured if that matters."""
    if cost.seconds(most) <= seconds:
        return most
    cost.measure()
    return next((trials for trials in range(most, LEAST - 1, -1) if cost.seconds(trials) <= seconds), 0)


def _budgeted(context: Context, cost: _Cost, budget_s: float, began: float) -> int:
    """The most trials a replicate that fit into what is left of a budget.

    Raises:
        UserError: Not even one does.
    """
    cost.measure()
    left = budget_s - (time.monotonic() - began)
    found = next((trials for trials in range(_MOST, 0, -1) if cost.seconds(trials) <= left), 0)
    if found:
        return found
    enough = math.ceil((budget_s - left + cost.seconds(1)) / 10) * 10
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
