"""The search: trials are proposed in batches, trained side by side, and recorded in the order of their numbers.

The storage and each batch's checkpoint hold all of its state. An interrupted batch is resumed wherever it was, in
proposing, training or recording, and depends only on trial numbers and on earlier batches.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure, StudyStopped
from pipeline.throttle import Throttle
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.numerics import settle
from pipeline.training.places import Place
from pipeline.training.progress import STANDARD_ERROR
from pipeline.training.slot import SlotState
from pipeline.training.workers.pool import WorkerPool
from pipeline.tuning.background_queue import BackgroundQueue
from pipeline.tuning.batch import Batch, curve_of, is_complete
from pipeline.tuning.folds import FoldedState
from pipeline.tuning.proposals import Proposals, batch_at, known
from pipeline.tuning.storage import storage_failures
from pipeline.tuning.study import ERROR, FOLDS, METRICS, REASON, UNMEASURED, VALUES, shares
from pipeline.tuning.writer import Look, TrialWriter

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
    if experiment.tuning is None:
        raise ValueError("the experiment's tuning is off")
    settle()  # the Gaussian process runs in this process
    with (
        storage_failures(),
        BackgroundQueue() as reports,
        BackgroundQueue() as notifications,
        TrialWriter(study) as writer,
    ):
        _Search(
            study, writer, experiment, prepared, pool, folder, callbacks or Callbacks(), reports, notifications
        ).run()  # fmt: skip


class _Search:
    """A search, with the batches that are in flight.

    Args:
        study: The study.
        writer: Of its trials.
        experiment: With `tuning` on.
        prepared: The data.
        pool: Where slots train.
        folder: Of the checkpoints.
        callbacks: Of the search.
        reports: Writes the objectives of validations to the storage while others are trained.
        notifications: Calls `Callbacks.trial` while others are trained. It is a queue of its own, so that a tracker's
            failure fails no batch.
    """

    def __init__(
        self,
        study: Study,
        writer: TrialWriter,
        experiment: Experiment,
        prepared: Prepared,
        pool: WorkerPool,
        folder: Path | Place,
        callbacks: Callbacks,
        reports: BackgroundQueue,
        notifications: BackgroundQueue,
    ) -> None:
        assert experiment.tuning is not None
        self._study, self._experiment, self._prepared = study, experiment, prepared
        self._pool, self._folder, self._callbacks = pool, folder, callbacks
        self._reports, self._notifications = reports, notifications
        self._writer, self._proposals = writer, Proposals(study, writer, experiment)
        self._in_flight = experiment.tuning.batches_in_flight
        self._until = time.monotonic() + (experiment.tuning.timeout or float("inf"))
        self._throttle = Throttle()
        self._batches: dict[int, Batch] = {}
        self._of_slot: dict[str, Batch] = {}
        self._next = self._begun = 0
        self._looks: list[Look] = []

    def run(self) -> None:
        """Propose, train and record batches, as far as that is not done yet."""
        trained: list[Batch] | None = None
        while True:
            if trained or trained is None:
                self._begin()
            if not self._batches:
                return
            with self._failing():
                went_on = self._advance()
            trained = [it for it in self._batches.values() if it.is_trained]
            assert went_on or trained, "no slot can go on"
            for batch in trained:
                self._record(batch)

    def _begin(self) -> None:
        """Propose the batches that may be in flight."""
        while self._next < self._experiment.trials and (not self._begun or time.monotonic() < self._until):
            trials = self._proposals.trials
            numbers = batch_at(trials, self._next, self._experiment)
            if any(start < known(trials, numbers.start, self._experiment) for start in self._batches):
                return  # it has to know what is in flight
            checkpoint = Checkpoint(self._folder / f"batch-{numbers.start}.safetensors", self._throttle)
            resumed = checkpoint.read()
            self._next = numbers.stop
            if not resumed and _is_finished(trials, numbers):
                continue
            self._begun += 1
            asked = self._proposals.ask(numbers)
            self._callbacks.batch(asked)
            compared = self._proposals.trials[: known(trials, numbers.start, self._experiment)]
            batch = Batch(asked, compared, self._experiment, self._prepared, checkpoint, resumed)
            self._batches[batch.number] = batch
            self._of_slot |= {slot.name: batch for slot in batch.slots}
            running = [it for it in batch.slots if it.name not in resumed or resumed[it.name].status == "running"]
            with self._failing():
                self._pool.add(batch.number, self._prepared, running, batch.resumed, batch.waits)

    def _advance(self) -> bool:
        """Train up to the next validations, and prune where all trials of a batch have come to a rung.

        Returns:
            Whether there was any of these.
        """
        by_batch: dict[Batch, list[SlotState]] = {}
        for state in self._pool.advance():
            by_batch.setdefault(self._of_slot[state.name], []).append(state)
        for batch, states in by_batch.items():
            if took_part := batch.take(states):
                self._report(batch.new_looks(took_part))
                self._callbacks.look([*took_part.values()])
        went_on = bool(by_batch)
        for batch in by_batch or self._batches.values():
            while (leaving := batch.decided()) is not None:
                self._pool.leave(leaving)
                self._pool.go(batch.number)
                went_on = True
        batch = self._batches.pop(next(iter(self._batches)))  # whose turn it is to be saved
        self._batches[batch.number] = batch
        if batch.checkpoint.due():
            self._save(batch)
        return went_on

    def _save(self, batch: Batch) -> None:
        """Write the checkpoint of a batch, or where training is to end those of all.

        Raises:
            StudyStopped: Training is to end.
        """
        try:
            batch.checkpoint.write(chain(batch.ended(), self._pool.kept(batch.number)))
        except StudyStopped:
            self._store()
            for other in self._batches.values():
                with suppress(StudyStopped):
                    other.checkpoint.write(chain(other.ended(), self._pool.kept(other.number)))
            raise

    def _report(self, looks: list[Look]) -> None:
        """Store objectives in the background; those that come while others are stored go together with the next."""
        self._looks += looks
        if self._looks and self._reports.is_idle:
            looks, self._looks = self._looks, []
            self._reports.submit(partial(self._writer.report, looks))

    def _store(self) -> None:
        """Wait until all objectives are stored."""
        self._reports.wait()
        self._report([])
        self._reports.wait()

    def _record(self, batch: Batch) -> None:
        """Record trials as complete with the kept objective, or as pruned with the last intermediate one."""
        self._report(batch.new_looks(batch.states))
        self._store()
        batch.checkpoint.write(batch.ended())  # killed from here on, all callbacks are called when it is resumed
        attributes = [
            (trial, _attributes(batch.states[number]) | shares(trial.user_attrs[VALUES]))
            for number, trial in batch.unfinished.items()
        ]
        self._writer.attributes(attributes)
        for number, trial in batch.unfinished.items():
            state = batch.states[number]
            if is_complete(state):
                self._writer.end(trial, TrialState.COMPLETE, state.best_objective)
            else:
                self._writer.end(trial, TrialState.PRUNED, next(reversed(curve_of(state)), None))
        self._pool.remove(batch.number)
        del self._batches[batch.number]
        for slot in batch.slots:
            del self._of_slot[slot.name]
        self._proposals.told()
        self._notifications.submit(partial(self._notify, self._proposals.trials, batch))

    def _notify(self, trials: Sequence[FrozenTrial], batch: Batch) -> None:
        """Pass a batch's results to the callback, then remove its checkpoint."""
        for number, state in batch.states.items():
            self._callbacks.trial(trials[number], state, batch.experiments[number])
        batch.checkpoint.remove()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Record what is in flight as failed on an error in our code, so that the study can continue without it."""
        try:
            yield
        except _RESUMABLE:
            raise
        except Exception as error:
            self._reports.wait()
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            unfinished = [trial for batch in self._batches.values() for trial in batch.unfinished.values()]
            self._writer.attributes([(trial, {REASON: reason}) for trial in unfinished])
            for trial in unfinished:
                self._writer.end(trial, TrialState.FAIL)
            self._proposals.told()
            for batch in self._batches.values():
                self._notify(self._proposals.trials, batch)
            raise


def _attributes(state: SlotState) -> dict[str, Any]:
    """The attributes of a finished trial."""
    attributes: dict[str, Any] = {METRICS: {key: value for key, value in state.best.items() if math.isfinite(value)}}
    if isinstance(state, FoldedState) and state.status != "diverged":
        attributes |= {FOLDS: [fold.best_objective for fold in state.folds], ERROR: state.best[STANDARD_ERROR]}
    if not is_complete(state):
        attributes[REASON] = UNMEASURED if state.status == "finished" else state.status
    return attributes


def _is_finished(trials: Sequence[FrozenTrial], batch: range) -> bool:
    return len(trials) >= batch.stop and all(trials[number].state.is_finished() for number in batch)
