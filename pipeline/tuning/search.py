"""The search: trials asked for in batches, trained side by side, and told in the order of their numbers.

The storage and each batch's checkpoint are all the memory there is. A batch is taken up wherever it was left, whether
in asking, in training or in telling, and everything in it is a function of trial numbers and of earlier batches.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Experiment
from pipeline.config.tuning import TuningSettings
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.throttle import Throttle
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import fit
from pipeline.training.numerics import settle
from pipeline.training.progress import OBJECTIVE, STANDARD_ERROR
from pipeline.training.slot import SlotState, batch_slots, replicate_of, trial_slots
from pipeline.training.workers.pool import WorkerPool
from pipeline.tuning.background_queue import BackgroundQueue
from pipeline.tuning.folds import FoldedState, joined
from pipeline.tuning.proposals import ask, batch_at
from pipeline.tuning.pruners import PRUNERS, Curves
from pipeline.tuning.space import trial_experiment
from pipeline.tuning.storage import storage_failures
from pipeline.tuning.study import ERROR, FOLDS, METRICS, REASON, UNMEASURED, VALUES
from pipeline.tuning.writer import TrialWriter

_HERE_AND_NOW = (Failure, OSError, MemoryError, StorageInternalError)
"""Errors that say nothing about a trial: it stays unfinished, and a resume trains it."""


def _ignore(*_: Any) -> None:
    """What a callback does by default."""


@dataclass(frozen=True)
class Callbacks:
    """Whom the search tells how it goes.

    Attributes:
        batch: Called with a batch's trials before it is trained.
        look: Called after each look with the states, without arrays, of the trials that took part.
        trial: Called with each trial of a batch once all are told, its state with the metrics of every look (of a
            failed one perhaps none, of one with folds their means), and the experiment that it tries; after an
            interruption again with all trials of that batch. It is called from another thread, while the next batch
            trains.
    """

    batch: Callable[[Sequence[FrozenTrial]], None] = _ignore
    look: Callable[[Sequence[SlotState]], None] = _ignore
    trial: Callable[[FrozenTrial, SlotState, Experiment], None] = _ignore


def search(
    study: Study,
    experiment: Experiment,
    prepared: Prepared,
    pool: WorkerPool,
    folder: Path,
    callbacks: Callbacks | None = None,
) -> None:
    """Bring a study to `Experiment.trials` trials.

    A study of 20 trials continued to 40 equals one of 40 from the start if 20 is a multiple of `tuning.batch`.
    Otherwise the last batch of the 20 was a short one and stays so; the next one fills up to the multiple, and its
    proposals know the results of the short one, if they learn from trials at all.

    Args:
        study: From `open_study`.
        experiment: With `tuning` on.
        prepared: The data, seen through the experiment's tasks.
        pool: Where to train.
        folder: Where checkpoints are kept, a file a batch. An interrupted batch goes on from its file; without it the
            batch is trained anew, to the same values.
        callbacks: Whom to tell.

    Raises:
        UserError: Values of the space do not go together.
        Failure: The storage or a worker failed; the study can be resumed.
    """
    settings = _settings(experiment)
    settle()  # the Gaussian process computes in this process
    deadline = time.monotonic() + (settings.timeout or float("inf"))
    start, throttle = 0, Throttle()
    with storage_failures(), BackgroundQueue() as reporting, BackgroundQueue() as hearing:
        job = _Job(
            study, TrialWriter(study), experiment, prepared, pool, callbacks or Callbacks(), reporting, hearing
        )  # fmt: skip
        while start < experiment.trials:
            trials = study.get_trials(deepcopy=False)
            batch = batch_at(trials, start, experiment)
            checkpoint = Checkpoint(folder / f"batch-{start}.safetensors", throttle)
            start = batch.stop
            resumed = checkpoint.read()
            if resumed or not _told(trials, batch):
                job.run(batch, checkpoint, resumed)
                if time.monotonic() >= deadline:
                    return


@dataclass(frozen=True)
class _Job:
    """What all batches of a search have in common.

    Attributes:
        reporting: Tells the storage of a look while the next stretch trains.
        hearing: Tells of a batch while the next one trains. They are two, so that a tracker's failure fails no batch.
    """

    study: Study
    writer: TrialWriter
    experiment: Experiment
    prepared: Prepared
    pool: WorkerPool
    callbacks: Callbacks
    reporting: BackgroundQueue
    hearing: BackgroundQueue

    def run(self, batch: range, checkpoint: Checkpoint, resumed: dict[str, SlotState]) -> None:
        """Ask, train and tell one batch, as far as that is not done yet."""
        trials = ask(self.study, self.experiment, batch)
        self.callbacks.batch(trials[batch.start : batch.stop])
        barrier = _Barrier(self.writer, trials, batch, self.experiment, resumed, self.callbacks, self.reporting)
        tried = {it: trial_experiment(self.experiment, trials[it].user_attrs[VALUES]) for it in batch}
        with self._failing(barrier, tried, checkpoint):
            states = fit(self.pool, self.prepared, batch_slots(tried), barrier, checkpoint, resumed)
        self.reporting.wait()
        told = barrier.take(states)
        barrier.report({number: _curve(state) for number, state in told.items()})
        self._tell(barrier.unfinished, told)
        self.hearing.do(partial(self._hear, self.study.get_trials(deepcopy=False), tried, told, checkpoint))

    def _tell(self, unfinished: Mapping[int, FrozenTrial], told: Mapping[int, SlotState]) -> None:
        """Complete with the kept look's objective, or pruned with the last one reported."""
        self.writer.attributes([(trial, _attributes(told[number])) for number, trial in unfinished.items()])
        for number, trial in unfinished.items():
            state = told[number]
            if _is_complete(state):
                self.writer.end(trial, TrialState.COMPLETE, state.best_objective)
            else:
                self.writer.end(trial, TrialState.PRUNED, next(reversed(_curve(state)), None))

    def _hear(
        self,
        trials: Sequence[FrozenTrial],
        tried: Mapping[int, Experiment],
        told: Mapping[int, SlotState],
        checkpoint: Checkpoint,
    ) -> None:
        """Hand on what a batch came to; only then its checkpoint can go."""
        for number, state in told.items():
            self.callbacks.trial(trials[number], state, tried[number])
        checkpoint.remove()

    @contextmanager
    def _failing(self, barrier: "_Barrier", tried: Mapping[int, Experiment], checkpoint: Checkpoint) -> Iterator[None]:
        """Let a batch fail by an error of ours, so that the study can go on without it."""
        try:
            yield
        except _HERE_AND_NOW:
            raise
        except Exception as error:
            self.reporting.wait()
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self.writer.attributes([(trial, {REASON: reason}) for trial in barrier.unfinished.values()])
            for trial in barrier.unfinished.values():
                self.writer.end(trial, TrialState.FAIL)
            self._hear(self.study.get_trials(deepcopy=False), tried, barrier.states, checkpoint)
            raise


class _Barrier:
    """Reports a look's objectives and decides who leaves.

    Attributes:
        states: How far each trial of the batch had come when it last took part, by number.
        unfinished: The trials that are not told yet, by number.
    """

    states: dict[int, SlotState]

    def __init__(
        self,
        writer: TrialWriter,
        trials: Sequence[FrozenTrial],
        batch: range,
        experiment: Experiment,
        resumed: Mapping[str, SlotState],
        callbacks: Callbacks,
        reporting: BackgroundQueue,
    ) -> None:
        names = {number: [slot.name for slot in trial_slots(number, experiment)] for number in batch}
        self._numbers = {name: number for number, its in names.items() for name in its}
        self._folds = {name: resumed.get(name, SlotState(name)) for name in self._numbers}
        self.take([])
        self._earlier = trials[: batch.start]
        self._reported = {number: set(trials[number].intermediate_values) for number in batch}
        self.unfinished = {number: trials[number] for number in batch if not trials[number].state.is_finished()}
        self._experiment = experiment
        self._prune = PRUNERS[_settings(experiment).pruner]
        self._writer, self._callbacks, self._reporting = writer, callbacks, reporting

    def __call__(self, states: list[SlotState]) -> list[str]:
        """The names of the slots that leave; a trial that diverged has no value to report or to compete with."""
        took_part = {self._numbers[state.name] for state in states}
        now = {number: state for number, state in self.take(states).items() if number in took_part}
        curves = {number: _curve(state) for number, state in now.items()}
        self._reporting.do(partial(self.report, curves))
        self._callbacks.look(list(now.values()))
        diverged = [number for number, state in now.items() if state.status == "diverged"]
        competing = {number: curves[number] for number in now if number not in diverged}
        leaving = {*self._pruned(competing), *diverged}
        return [state.name for state in states if self._numbers[state.name] in leaving and state.status == "running"]

    def _pruned(self, competing: Curves) -> Iterator[int]:
        """The numbers of the trials that leave: each competes with those of its replicate."""
        for replicate in range(self._experiment.replicates):
            own = {it: curve for it, curve in competing.items() if replicate_of(it, self._experiment) == replicate}
            earlier = [it for it in self._earlier if replicate_of(it.number, self._experiment) == replicate]
            yield from self._prune(own, earlier)

    def take(self, states: Sequence[SlotState]) -> dict[int, SlotState]:
        """Note how far slots have come; how far all trials have, by number."""
        self._folds |= {state.name: state for state in states}
        folds: dict[int, list[SlotState]] = {}
        for name, number in self._numbers.items():
            folds.setdefault(number, []).append(self._folds[name])
        self.states = {number: joined(f"trial/{number}", its) for number, its in folds.items()}
        return self.states

    def report(self, curves: Curves) -> None:
        """Tell the storage what it does not know yet: of a resumed trial perhaps more than the last look."""
        new = [
            (number, look, objective)
            for number, curve in curves.items() if number in self.unfinished
            for look, objective in enumerate(curve, start=1) if look not in self._reported[number]
        ]  # fmt: skip
        self._writer.report([(self.unfinished[number], look, objective) for number, look, objective in new])
        for number, look, _ in new:
            self._reported[number].add(look)


def _is_complete(state: SlotState) -> bool:
    """Whether it was trained to its end, and has an objective."""
    return state.status == "finished" and not math.isnan(state.best_objective)


def _attributes(state: SlotState) -> dict[str, Any]:
    """What a trial's attributes say of how it went."""
    found: dict[str, Any] = {METRICS: {key: value for key, value in state.best.items() if math.isfinite(value)}}
    if isinstance(state, FoldedState) and state.status != "diverged":
        found |= {FOLDS: [fold.best_objective for fold in state.folds], ERROR: state.best[STANDARD_ERROR]}
    if not _is_complete(state):
        found[REASON] = UNMEASURED if state.status == "finished" else state.status
    return found


def _curve(state: SlotState) -> list[float]:
    """A trial's objectives, without the one that it had when it diverged."""
    known = state.history[:-1] if state.status == "diverged" else state.history
    return [metrics[OBJECTIVE] for metrics in known]


def _settings(experiment: Experiment) -> TuningSettings:
    if experiment.tuning is None:
        raise ValueError("the experiment's tuning is off")
    return experiment.tuning


def _told(trials: Sequence[FrozenTrial], batch: range) -> bool:
    return len(trials) >= batch.stop and all(trials[number].state.is_finished() for number in batch)
