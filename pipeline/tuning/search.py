"""The search: trials are proposed in batches, trained side by side, and recorded in the order of their numbers.

The storage and each batch's checkpoint hold all of its state. An interrupted batch is resumed wherever it was, in
proposing, training or recording, and depends only on trial numbers and on earlier batches.
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
from pipeline.training.places import Place
from pipeline.training.progress import OBJECTIVE, STANDARD_ERROR
from pipeline.training.slot import SlotState, batch_slots, replicate_of, trial_slots
from pipeline.training.workers.pool import WorkerPool
from pipeline.tuning.background_queue import BackgroundQueue
from pipeline.tuning.folds import FoldedState, joined
from pipeline.tuning.proposals import ask, batch_at
from pipeline.tuning.pruners import PRUNERS, Curves
from pipeline.tuning.space import trial_experiment
from pipeline.tuning.storage import storage_failures
from pipeline.tuning.study import ERROR, FOLDS, METRICS, REASON, UNMEASURED, VALUES, shares
from pipeline.tuning.writer import TrialWriter

_RESUMABLE = (Failure, OSError, MemoryError, StorageInternalError)
"""Errors with a cause outside of the trials: these stay unfinished, and are trained when the study is resumed."""


def _ignore(*_: Any) -> None:
    """The default callback."""


@dataclass(frozen=True)
class Callbacks:
    """Callbacks of the search.

    Attributes:
        batch: Called with a batch's trials before it is trained.
        look: Called after each validation with the states, without arrays, of the trials that took part.
        trial: Called for each trial of a batch once all are recorded, with the trial, its state with the metrics of all
            validations (possibly none for a failed one, means for one with folds), and its experiment; after an
            interruption again for all trials of that batch. It is called from another thread, while the next batch
            is trained.
    """

    batch: Callable[[Sequence[FrozenTrial]], None] = _ignore
    look: Callable[[Sequence[SlotState]], None] = _ignore
    trial: Callable[[FrozenTrial, SlotState, Experiment], None] = _ignore


def search(
    study: Study,
    experiment: Experiment,
    prepared: Prepared,
    pool: WorkerPool,
    folder: Path | Place,
    callbacks: Callbacks | None = None,
) -> None:
    """Run a study until it has `Experiment.trials` trials.

    A study of 20 trials continued to 40 equals one of 40 from the start if 20 is a multiple of `tuning.batch`.
    Otherwise the last batch of the 20 stays a short one; the next one fills up to the multiple, and its proposals know
    the results of the short one, if the sampler uses any.

    Args:
        study: The study, from `open_study`.
        experiment: The experiment, with `tuning` on.
        prepared: The data, restricted to the experiment's tasks.
        pool: Workers that train.
        folder: Folder of the checkpoints, one file per batch. An interrupted batch is resumed from its file; without
            it the batch is trained again, with the same values.
        callbacks: Callbacks of the search.

    Raises:
        UserError: Values of the search space are invalid together.
        Failure: The storage or a worker failed; the study can be resumed.
    """
    settings = _settings(experiment)
    settle()  # the Gaussian process runs in this process
    deadline = time.monotonic() + (settings.timeout or float("inf"))
    start, throttle = 0, Throttle()
    with (
        storage_failures(),
        BackgroundQueue() as reports,
        BackgroundQueue() as notifications,
        TrialWriter(study) as writer,
    ):
        run = _Search(
            study, writer, experiment, prepared, pool, callbacks or Callbacks(), reports, notifications
        )  # fmt: skip
        while start < experiment.trials:
            trials = study.get_trials(deepcopy=False)
            batch = batch_at(trials, start, experiment)
            checkpoint = Checkpoint(folder / f"batch-{start}.safetensors", throttle)
            start = batch.stop
            resumed = checkpoint.read()
            if resumed or not _is_finished(trials, batch):
                run.run(batch, checkpoint, resumed)
                if time.monotonic() >= deadline:
                    return


@dataclass(frozen=True)
class _Search:
    """The state that all batches of a search share.

    Attributes:
        reports: Writes the objectives of a validation to the storage while the next stretch is trained.
        notifications: Calls `Callbacks.trial` while the next batch is trained. It is a queue of its own, so that a
            tracker's failure fails no batch.
    """

    study: Study
    writer: TrialWriter
    experiment: Experiment
    prepared: Prepared
    pool: WorkerPool
    callbacks: Callbacks
    reports: BackgroundQueue
    notifications: BackgroundQueue

    def run(self, batch: range, checkpoint: Checkpoint, resumed: dict[str, SlotState]) -> None:
        """Propose, train and record one batch, as far as that is not done yet."""
        trials = ask(self.study, self.experiment, batch)
        self.callbacks.batch(trials[batch.start : batch.stop])
        barrier = _Barrier(
            self.writer, trials, batch, self.experiment, self.prepared, resumed, self.callbacks, self.reports
        )
        experiments = {it: trial_experiment(self.experiment, trials[it].user_attrs[VALUES]) for it in batch}
        with self._failing(barrier, experiments, checkpoint):
            states = fit(
                self.pool, self.prepared, batch_slots(experiments, self.prepared), barrier, checkpoint, resumed
            )
        self.reports.wait()
        final = barrier.update(states)
        barrier.report({number: _curve(state) for number, state in final.items()})
        self._finish(barrier.unfinished, final)
        self.notifications.submit(
            partial(self._notify, self.study.get_trials(deepcopy=False), experiments, final, checkpoint)
        )

    def _finish(self, unfinished: Mapping[int, FrozenTrial], final: Mapping[int, SlotState]) -> None:
        """Record trials as complete with the kept objective, or as pruned with the last intermediate one."""
        attributes = [
            (trial, _attributes(final[number]) | shares(trial.user_attrs[VALUES]))
            for number, trial in unfinished.items()
        ]
        self.writer.attributes(attributes)
        for number, trial in unfinished.items():
            state = final[number]
            if _is_complete(state):
                self.writer.end(trial, TrialState.COMPLETE, state.best_objective)
            else:
                self.writer.end(trial, TrialState.PRUNED, next(reversed(_curve(state)), None))

    def _notify(
        self,
        trials: Sequence[FrozenTrial],
        experiments: Mapping[int, Experiment],
        final: Mapping[int, SlotState],
        checkpoint: Checkpoint,
    ) -> None:
        """Pass a batch's results to the callback, then remove its checkpoint."""
        for number, state in final.items():
            self.callbacks.trial(trials[number], state, experiments[number])
        checkpoint.remove()

    @contextmanager
    def _failing(
        self, barrier: "_Barrier", experiments: Mapping[int, Experiment], checkpoint: Checkpoint
    ) -> Iterator[None]:
        """Record a batch as failed on an error in our code, so that the study can continue without it."""
        try:
            yield
        except _RESUMABLE:
            raise
        except Exception as error:
            self.reports.wait()
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self.writer.attributes([(trial, {REASON: reason}) for trial in barrier.unfinished.values()])
            for trial in barrier.unfinished.values():
                self.writer.end(trial, TrialState.FAIL)
            self._notify(self.study.get_trials(deepcopy=False), experiments, barrier.states, checkpoint)
            raise


class _Barrier:
    """Reports the objectives of a validation and decides which trials are pruned.

    Attributes:
        states: The last state of each trial of the batch, by number.
        unfinished: The trials that are not recorded as finished, by number.
    """

    states: dict[int, SlotState]

    def __init__(
        self,
        writer: TrialWriter,
        trials: Sequence[FrozenTrial],
        batch: range,
        experiment: Experiment,
        prepared: Prepared,
        resumed: Mapping[str, SlotState],
        callbacks: Callbacks,
        reports: BackgroundQueue,
    ) -> None:
        names = {number: [slot.name for slot in trial_slots(number, experiment, prepared)] for number in batch}
        self._numbers = {name: number for number, of_trial in names.items() for name in of_trial}
        self._folds = {name: resumed.get(name, SlotState(name)) for name in self._numbers}
        self.update([])
        self._earlier = trials[: batch.start]
        self._reported = {number: set(trials[number].intermediate_values) for number in batch}
        self.unfinished = {number: trials[number] for number in batch if not trials[number].state.is_finished()}
        self._experiment = experiment
        self._prune = PRUNERS[_settings(experiment).pruner]
        self._writer, self._callbacks, self._reports = writer, callbacks, reports

    def __call__(self, states: list[SlotState]) -> list[str]:
        """The names of the slots to stop: those of pruned trials and of diverged ones, which have no objective."""
        took_part = {self._numbers[state.name] for state in states}
        now = {number: state for number, state in self.update(states).items() if number in took_part}
        curves = {number: _curve(state) for number, state in now.items()}
        self._reports.submit(partial(self.report, curves))
        self._callbacks.look(list(now.values()))
        diverged = [number for number, state in now.items() if state.status == "diverged"]
        competing = {number: curves[number] for number in now if number not in diverged}
        stopped = {*self._pruned(competing), *diverged}
        return [state.name for state in states if self._numbers[state.name] in stopped and state.status == "running"]

    def _pruned(self, competing: Curves) -> Iterator[int]:
        """The numbers of the trials to prune; each is compared with those of its replicate."""
        for replicate in range(self._experiment.replicates):
            curves = {it: curve for it, curve in competing.items() if replicate_of(it, self._experiment) == replicate}
            earlier = [it for it in self._earlier if replicate_of(it.number, self._experiment) == replicate]
            yield from self._prune(curves, earlier)

    def update(self, states: Sequence[SlotState]) -> dict[int, SlotState]:
        """Store the states of slots, and return the states of all trials by number."""
        self._folds |= {state.name: state for state in states}
        folds: dict[int, list[SlotState]] = {}
        for name, number in self._numbers.items():
            folds.setdefault(number, []).append(self._folds[name])
        self.states = {number: joined(f"trial/{number}", of_trial) for number, of_trial in folds.items()}
        return self.states

    def report(self, curves: Curves) -> None:
        """Store the objectives that the storage does not have yet, possibly several for a resumed trial."""
        new = [
            (number, look, objective)
            for number, curve in curves.items() if number in self.unfinished
            for look, objective in enumerate(curve, start=1) if look not in self._reported[number]
        ]  # fmt: skip
        self._writer.report([(self.unfinished[number], look, objective) for number, look, objective in new])
        for number, look, _ in new:
            self._reported[number].add(look)


def _is_complete(state: SlotState) -> bool:
    """Whether a trial was trained to its end, and has an objective."""
    return state.status == "finished" and not math.isnan(state.best_objective)


def _attributes(state: SlotState) -> dict[str, Any]:
    """The attributes of a finished trial."""
    attributes: dict[str, Any] = {METRICS: {key: value for key, value in state.best.items() if math.isfinite(value)}}
    if isinstance(state, FoldedState) and state.status != "diverged":
        attributes |= {FOLDS: [fold.best_objective for fold in state.folds], ERROR: state.best[STANDARD_ERROR]}
    if not _is_complete(state):
        attributes[REASON] = UNMEASURED if state.status == "finished" else state.status
    return attributes


def _curve(state: SlotState) -> list[float]:
    """A trial's objectives, without the last one of a diverged trial."""
    known = state.history[:-1] if state.status == "diverged" else state.history
    return [metrics[OBJECTIVE] for metrics in known]


def _settings(experiment: Experiment) -> TuningSettings:
    if experiment.tuning is None:
        raise ValueError("the experiment's tuning is off")
    return experiment.tuning


def _is_finished(trials: Sequence[FrozenTrial], batch: range) -> bool:
    return len(trials) >= batch.stop and all(trials[number].state.is_finished() for number in batch)
