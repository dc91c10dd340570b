"""A batch of trials in training: how far each has come, and which are pruned."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from optuna.trial import FrozenTrial

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.progress import OBJECTIVE
from pipeline.training.slot import SlotState, batch_slots, replicate_of, trial_slots
from pipeline.tuning.folds import joined
from pipeline.tuning.pruners import PRUNERS, WAITS, Curves
from pipeline.tuning.space import trial_experiment
from pipeline.tuning.study import VALUES
from pipeline.tuning.writer import Look


class Batch:
    """The trials of a batch.

    What is decided at a rung depends on the curves up to there alone, so it is decided the same once more where some
    trials are resumed from before the rung.

    Args:
        trials: Those of the batch.
        known: The trials that it may be compared with.
        experiment: With `tuning` on.
        prepared: The data.
        checkpoint: Of its slots.

    Attributes:
        number: Of its first trial.
        experiments: What each trial tries, by number.
        slots: Those of all trials.
        resumed: The states to continue from, by slot.
        states: The last state of each trial, by number.
        unfinished: The trials that are not recorded as finished, by number.
    """

    def __init__(
        self,
        trials: Sequence[FrozenTrial],
        known: Sequence[FrozenTrial],
        experiment: Experiment,
        prepared: Prepared,
        checkpoint: Checkpoint,
        resumed: Mapping[str, SlotState],
    ) -> None:
        assert experiment.tuning is not None
        self.number, self.checkpoint, self.resumed = trials[0].number, checkpoint, dict(resumed)
        self.experiments = {it.number: trial_experiment(experiment, it.user_attrs[VALUES]) for it in trials}
        self.slots = batch_slots(self.experiments, prepared)
        self._of_trial = {
            it.number: [slot.name for slot in trial_slots(it.number, experiment, prepared)] for it in trials
        }
        self._numbers = {name: number for number, names in self._of_trial.items() for name in names}
        self._networks = {name: resumed.get(name, SlotState(name)) for name in self._numbers}
        self.states = {number: self._joined(number) for number in self._of_trial}
        self.unfinished = {it.number: it for it in trials if not it.state.is_finished()}
        self._reported = {it.number: set(it.intermediate_values) for it in trials}
        self._known, self._experiment = known, experiment
        self._prune = PRUNERS[experiment.tuning.pruner]
        # Networks of a trial that has diverged in one fold stop where that one did.
        self.waits = (lambda look: True) if experiment.training.folds else WAITS[experiment.tuning.pruner]
        self._passed = min((state.looks for state in self._running()), default=0)

    @property
    def is_trained(self) -> bool:
        """Whether no slot runs any more."""
        return not any(self._running())

    def ended(self) -> list[SlotState]:
        """The states of the slots that run no more; their weights are not needed."""
        return [state for state in self._networks.values() if state.status != "running"]

    def take(self, states: Iterable[SlotState]) -> dict[int, SlotState]:
        """Keep the states of slots.

        Returns:
            The states of the trials that have come further, by number.
        """
        found = {state.name: state for state in states}
        self._networks |= found
        took_part = {number: self._joined(number) for number in sorted({self._numbers[name] for name in found})}
        before, self.states = self.states, self.states | took_part
        return {
            number: state
            for number, state in took_part.items()
            if (state.looks, state.status) != (before[number].looks, before[number].status)
        }

    def new_looks(self, numbers: Iterable[int]) -> list[Look]:
        """The objectives of these trials that the storage was not given yet."""
        found = []
        for number in numbers:
            reported = self._reported[number]
            for look, objective in enumerate(curve_of(self.states[number]), start=1):
                if look not in reported and number in self.unfinished:
                    found.append((self.unfinished[number], look, objective))
                    reported.add(look)
        return found

    def decided(self) -> list[str] | None:
        """Which slots stop at the look for which all have waited; None while there is no such look.

        These are those of pruned trials and of diverged ones, which have no objective.
        """
        looks = min((state.looks for state in self._running()), default=0)
        rung = next((look for look in range(self._passed + 1, looks + 1) if self.waits(look)), None)
        if rung is None:
            return None
        self._passed = rung
        curves = {number: curve_of(state)[:rung] for number, state in self.states.items()}
        diverged = {number for number, state in self.states.items() if state.status == "diverged"}
        stopped = {*self._pruned({it: curve for it, curve in curves.items() if len(curve) == rung}), *diverged}
        leaving = [state for state in self._running() if self._numbers[state.name] in stopped]
        self.take([replace(state, status="pruned") for state in leaving])
        return [state.name for state in leaving]

    def _pruned(self, competing: Curves) -> Iterator[int]:
        """The numbers of the trials to prune; each is compared with those of its replicate."""
        for replicate in range(self._experiment.replicates):
            curves = {it: curve for it, curve in competing.items() if replicate_of(it, self._experiment) == replicate}
            earlier = [it for it in self._known if replicate_of(it.number, self._experiment) == replicate]
            yield from self._prune(curves, earlier)

    def _running(self) -> Iterator[SlotState]:
        return (state for state in self._networks.values() if state.status == "running")

    def _joined(self, number: int) -> SlotState:
        return joined(f"trial/{number}", [self._networks[name] for name in self._of_trial[number]])


def curve_of(state: SlotState) -> list[float]:
    """A trial's objectives, without the last one of a diverged trial."""
    known = state.history[:-1] if state.status == "diverged" else state.history
    return [metrics[OBJECTIVE] for metrics in known]


def is_complete(state: SlotState) -> bool:
    """Whether a trial was trained to its end, and has an objective."""
    return state.status == "finished" and not math.isnan(state.best_objective)
