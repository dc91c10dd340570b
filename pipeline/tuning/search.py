"""The search: trials asked for in batches, trained side by side, and told in the order of their numbers.

The storage and each batch's checkpoint are all the memory there is. A batch is taken up wherever it was left, whether
in asking, in training or in telling, and everything in it is a function of trial numbers and of earlier batches.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline.config import Experiment
from pipeline.config.tuning import TuningSettings
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.fit import fit
from pipeline.training.numerics import settle
from pipeline.training.progress import OBJECTIVE
from pipeline.training.slot import SlotState, trial_slot
from pipeline.training.workers import Crew
from pipeline.tuning.asking import ask, batch_at
from pipeline.tuning.pruners import PRUNERS
from pipeline.tuning.space import resolve, trial_experiment
from pipeline.tuning.storage import storage_failures
from pipeline.tuning.study import METRICS, REASON

_HERE_AND_NOW = (Failure, OSError, MemoryError, StorageInternalError)
"""Errors that say nothing about a trial: it stays unfinished, and a resume trains it."""


def _ignore(*_: Any) -> None:
    """What a callback does by default."""


@dataclass(frozen=True)
class Callbacks:
    """Whom the search tells how it goes.

    Attributes:
        batch: Called with a batch's trials before it is trained.
        epoch: Called after each epoch with the states, without arrays, of the trials that took part.
        trial: Called with each trial of a batch once all are told, and its state with the metrics of every epoch (of a
            failed one perhaps none); after an interruption again with all trials of that batch.
    """

    batch: Callable[[Sequence[FrozenTrial]], None] = _ignore
    epoch: Callable[[Sequence[SlotState]], None] = _ignore
    trial: Callable[[FrozenTrial, SlotState], None] = _ignore


def search(
    study: Study,
    experiment: Experiment,
    prepared: Prepared,
    crew: Crew,
    folder: Path,
    callbacks: Callbacks | None = None,
) -> None:
    """Bring a study to `tuning.trials` trials.

    A study of 20 trials continued to 40 equals one of 40 from the start if 20 is a multiple of `tuning.batch`.
    Otherwise the last batch of the 20 was a short one and stays so; the next one fills up to the multiple, and its
    proposals know the results of the short one.

    Args:
        study: From `open_study`.
        experiment: With `tuning` on.
        prepared: The data, seen through the experiment's tasks.
        crew: Where to train.
        folder: Where checkpoints are kept, a file a batch. An interrupted batch goes on from its file; without it the
            batch is trained anew, to the same values.
        callbacks: Whom to tell.

    Raises:
        UserError: Values of the space do not go together.
        Failure: The storage or a worker failed; the study can be resumed.
    """
    settings = _settings(experiment)
    settle()  # the Gaussian process computes in this process
    job = _Job(study, experiment, prepared, crew, callbacks or Callbacks())
    deadline = time.monotonic() + (settings.timeout or float("inf"))
    start = 0
    with storage_failures():
        while start < settings.trials:
            trials = study.get_trials(deepcopy=False)
            batch = batch_at(trials, start, settings)
            checkpoint = Checkpoint(folder / f"batch-{start}.safetensors")
            start = batch.stop
            resumed = checkpoint.read()
            if resumed or not _told(trials, batch):
                job.run(batch, checkpoint, resumed)
                if time.monotonic() >= deadline:
                    return


@dataclass(frozen=True)
class _Job:
    """What all batches of a search have in common."""

    study: Study
    experiment: Experiment
    prepared: Prepared
    crew: Crew
    callbacks: Callbacks

    def run(self, batch: range, checkpoint: Checkpoint, resumed: dict[str, SlotState]) -> None:
        """Ask, train and tell one batch, as far as that is not done yet."""
        trials = ask(self.study, self.experiment, batch)
        self.callbacks.batch(trials[batch.start : batch.stop])
        barrier = _Barrier(self.study, trials, batch, self.experiment, self.callbacks)
        slots = [
            trial_slot(number, trial_experiment(self.experiment, resolve(trials[number].params, self.experiment)))
            for number in batch
        ]
        with self._failing(barrier, checkpoint):
            states = fit(self.crew, self.prepared, slots, barrier, checkpoint, resumed)
        told = dict(zip(batch, states, strict=True))
        for number, trial in barrier.unfinished.items():
            self._tell(trial, told[number])
        self._hear(told)
        checkpoint.remove()

    def _tell(self, trial: Trial, state: SlotState) -> None:
        """Complete with the kept epoch's objective, or pruned with the last one reported."""
        trial.set_user_attr(METRICS, {key: value for key, value in state.best.items() if math.isfinite(value)})
        if state.status == "finished":
            self.study.tell(trial, state.best_objective)
            return
        trial.set_user_attr(REASON, state.status)
        self.study.tell(trial, state=TrialState.PRUNED)

    def _hear(self, told: Mapping[int, SlotState]) -> None:
        trials = self.study.get_trials(deepcopy=False)
        for number, state in told.items():
            self.callbacks.trial(trials[number], state)

    @contextmanager
    def _failing(self, barrier: "_Barrier", checkpoint: Checkpoint) -> Iterator[None]:
        """Let a batch fail by an error of ours, so that the study can go on without it."""
        try:
            yield
        except _HERE_AND_NOW:
            raise
        except Exception as error:
            for trial in barrier.unfinished.values():
                trial.set_user_attr(REASON, f"{type(error).__name__}: {' '.join(str(error).split())}")
                self.study.tell(trial, state=TrialState.FAIL)
            self._hear(barrier.states)
            checkpoint.remove()
            raise


class _Barrier:
    """Reports an epoch's objectives and decides who leaves.

    Attributes:
        states: How far each trial of the batch had come when it last took part, by number.
        unfinished: The trials that are not told yet, by number.
    """

    def __init__(
        self,
        study: Study,
        trials: Sequence[FrozenTrial],
        batch: range,
        experiment: Experiment,
        callbacks: Callbacks,
    ) -> None:
        self.states = {number: SlotState(f"trial/{number}") for number in batch}
        self._earlier = trials[: batch.start]
        self._reported = {number: set(trials[number].intermediate_values) for number in batch}
        self.unfinished = {
            number: Trial(study, trials[number]._trial_id) for number in batch if not trials[number].state.is_finished()
        }
        self._numbers = {state.name: number for number, state in self.states.items()}
        self._prune = PRUNERS[_settings(experiment).pruner]
        self._callbacks = callbacks

    def __call__(self, states: list[SlotState]) -> list[str]:
        """The names of the trials that leave; one that diverged has no value to report or to compete with."""
        now = {self._numbers[state.name]: state for state in states}
        self.states |= now
        finite = {number: state for number, state in now.items() if state.status != "diverged"}
        for number, state in finite.items():
            if number in self.unfinished and state.epoch not in self._reported[number]:
                self.unfinished[number].report(state.history[-1][OBJECTIVE], state.epoch)
        self._callbacks.epoch(states)
        curves = {number: [metrics[OBJECTIVE] for metrics in state.history] for number, state in finite.items()}
        leaving = self._prune(curves, self._earlier)
        return [finite[number].name for number in leaving if finite[number].status == "running"]


def _settings(experiment: Experiment) -> TuningSettings:
    if experiment.tuning is None:
        raise ValueError("the experiment's tuning is off")
    return experiment.tuning


def _told(trials: Sequence[FrozenTrial], batch: range) -> bool:
    return len(trials) >= batch.stop and all(trials[number].state.is_finished() for number in batch)
