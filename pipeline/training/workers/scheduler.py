"""Chooses how slots are laid out on this machine, and keeps the worker processes of a command.

Slots a stack come from a measured calibration, processes from the work there is to do and what a worker's start
costs; threads are decided: one a process (see `processes`). None of it changes a value.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.machine import cores, load
from pipeline.training.length import length_of
from pipeline.training.slot import Slot
from pipeline.training.stack.layout import shapes
from pipeline.training.workers.calibration import BLOCK, Speed, calibrate, guess
from pipeline.training.workers.hosts import Engine
from pipeline.training.workers.memory import check, fitting_processes
from pipeline.training.workers.pool import WorkerPool
from pipeline.training.workers.processes import LocalWorker, WorkerProcesses

_START_S = 3.0  # CPU seconds of a worker's start, before one has been measured
_ALL = 10**9  # slots of a stack
_WORTH_S = 10.0  # of work, which a second's calibration can repay


class Scheduler:
    """Lays out the training of one command.

    Args:
        folder: Where measurements are stored.
        log: Called with a line that says what was measured, or which host was lost.
        engine: Provides hosts; by default worker processes beside this process.
        here: Makes the worker in this process where others train the same networks with it.
    """

    def __init__(
        self,
        folder: Path,
        log: Callable[[str], None] = lambda line: None,
        engine: Engine | None = None,
        here: Callable[[], LocalWorker] | None = None,
    ) -> None:
        self._folder, self._log, self._here = folder, log, here
        self._file = folder / "worker.json"
        self._workers = WorkerProcesses(_read(self._file))
        self._engine: Engine = engine or self._workers

    @property
    def trains_here(self) -> bool:
        """Whether this process trains, too: then what is trained must fit into this machine's memory."""
        return self._engine.trains_here

    def pool(self, prepared: Prepared, slots: Sequence[Slot], in_all: int | None = None) -> WorkerPool:
        """A worker pool for slots that train at the same time.

        Args:
            prepared: The data, seen through the tasks that are trained.
            slots: Such as will be trained together: as many, and the first of the shape that most have.
            in_all: How many will be trained one after the other or together; by default these.

        Raises:
            Failure: They do not fit into memory.
        """
        experiment = slots[0].experiment
        block = _ALL if experiment.device == "cuda" else BLOCK  # where nothing is measured
        if not self.trains_here:
            return WorkerPool(self._hosts(slots), block, self._engine, log=self._log)
        if self._here:
            return WorkerPool(1, block, self._engine, log=self._log, here=self._here)
        check(prepared, slots)
        if experiment.device == "cuda":  # which this process keeps busy, and which is the faster the larger the stack
            return WorkerPool(1, _ALL, self._workers, log=self._log)
        in_all = in_all or len(slots)
        seen = _seen(prepared, slots)
        guessed = Speed({BLOCK: guess(seen, experiment)})
        if self._is_worth_measuring(seen, experiment, guessed, in_all):
            # Workers start on the other cores while this one measures.
            self._workers.take(self._processes(prepared, slots, guessed, in_all) - 1)
            speed = calibrate(prepared, slots[0], self._folder, self._log)
        else:
            speed = guessed
        processes = self._processes(prepared, slots, speed, in_all)
        looks = len(length_of(seen, experiment).looks)
        advance_s = training_seconds(seen, experiment, speed, len(slots)) / looks
        return WorkerPool(processes, speed.size, self._workers, advance_s, self._log)

    def training_s(self, prepared: Prepared, slots: Sequence[Slot]) -> float:
        """Seconds that all these slots together should take to train, on hosts as fast as this machine.

        Args:
            prepared: The data, seen through the tasks that are trained.
            slots: Of one shape but for whose rows they see, trained at the same time.

        Raises:
            Failure: They do not fit into memory.
        """
        experiment = slots[0].experiment
        if self.trains_here:
            check(prepared, slots)
        speed = calibrate(prepared, slots[0], self._folder, self._log)
        stacked = max(Counter(shapes(prepared, slots)).values())
        prepared = _seen(prepared, slots)
        if not self.trains_here:
            share = -(-len(slots) // max(1, len(self._engine.take(self._hosts(slots)))))
            return share * training_seconds(prepared, experiment, speed, min(share, stacked))
        if experiment.device == "cuda":
            return len(slots) * training_seconds(prepared, experiment, speed, stacked)
        processes = experiment.processes if experiment.processes != "auto" else cores()
        share = -(-len(slots) // processes)
        neighbours = max(0.0, load() - 1.0)  # this process is one of those that want a core
        crowded = max(1.0, (neighbours + min(processes, len(slots))) / cores())
        return crowded * share * training_seconds(prepared, experiment, speed, min(share, stacked))

    def _is_worth_measuring(self, prepared: Prepared, experiment: Experiment, guessed: Speed, in_all: int) -> bool:
        """Whether there is so much to train, and so much left open, that measuring repays itself."""
        is_open = "auto" in (experiment.slots, experiment.processes)
        return is_open and training_seconds(prepared, experiment, guessed, BLOCK) * in_all >= _WORTH_S

    def _processes(self, prepared: Prepared, slots: Sequence[Slot], speed: Speed, in_all: int) -> int:
        """How many processes train, at this speed."""
        experiment = slots[0].experiment
        processes = experiment.processes
        if processes == "auto":
            start_s = 0.0 if self._workers.count else self._workers.start_s
            work_s = training_seconds(_seen(prepared, slots), experiment, speed, len(slots)) * in_all
            processes = best_processes(work_s, start_s, len(slots), cores(), load())
        return fitting_processes(prepared, slots, min(processes, len(slots)))

    def _hosts(self, slots: Sequence[Slot]) -> int:
        """How many hosts an engine is asked for, which may have fewer."""
        processes = slots[0].experiment.processes
        return len(slots) if processes == "auto" else min(processes, len(slots))

    def close(self) -> None:
        """End the hosts, and write down what the cheapest start of a worker process took."""
        starts = self._workers.starts()
        self._workers.close()
        self._engine.close()
        if starts:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps({"start_s": min(starts)}))


def _seen(prepared: Prepared, slots: Sequence[Slot]) -> Prepared:
    """The data as the last slot sees them: where folds are chained it has the most to learn from."""
    return prepared.view(slots[-1].replicate, slots[-1].fold)


def training_seconds(prepared: Prepared, experiment: Experiment, speed: Speed, together: int) -> float:
    """CPU seconds of the whole training of one network among so many."""
    return length_of(prepared, experiment).updates * speed.step_s(together)


def best_processes(work_s: float, start_s: float, together: int, cores: int, load: float) -> int:
    """The number of processes that ends soonest; of equal ones the smallest.

    Args:
        work_s: CPU seconds there are to do.
        start_s: CPU seconds until another process can begin.
        together: Slots that train at the same time; a process's share is a whole number of them.
        cores: That may be used.
        load: Processes that want a core already. They slow everything down, a start as well as the work.
    """

    def seconds(processes: int) -> float:
        share = -(-together // processes) / together
        crowded = max(1.0, (load + processes) / cores)
        return crowded * (work_s * share + (start_s if processes > 1 else 0.0))

    return min(range(1, min(cores, together) + 1), key=seconds)


def _read(path: Path) -> float:
    try:
        return float(json.loads(path.read_text())["start_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return _START_S
