"""The worker pool of a step: this process and its worker processes, and which slots each trains.

A slot may move from one worker to another between two validations, with its whole state; no value changes by it. So a
worker process that is still starting is no hindrance, and one that has lost its trials to the pruner gets others.
"""

from collections.abc import Sequence
from itertools import chain
from types import TracebackType
from typing import Any

from pipeline.data.prepared import Prepared
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack.layout import shapes
from pipeline.training.workers.calibration import BLOCK
from pipeline.training.workers.load_balancing import Shares, balanced, blocks, makespan
from pipeline.training.workers.memory import check
from pipeline.training.workers.processes import Advanced, LocalWorker, WorkerProcess, WorkerProcesses

_WORTH = 0.9  # a move that leaves more than this share of the time to the next validation is not worth its disturbance


class WorkerPool:
    """Some workers, the first of which is this process.

    Args:
        processes: How many.
        block: Most slots of a stack, where an experiment leaves it open.
        workers: Where the worker processes come from and stay; by default they are the pool's own and end with it.
        advance_s: A guess at the CPU seconds of a slot up to its first validation; later ones are measured.
    """

    def __init__(
        self, processes: int, block: int = BLOCK, workers: WorkerProcesses | None = None, advance_s: float = 1.0
    ) -> None:
        self.processes, self.block = processes, block
        self._processes, self._owned = WorkerProcesses() if workers is None else workers, workers is None
        self._advance_s = advance_s
        self._workers: list[LocalWorker | WorkerProcess] = []

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._owned or error:  # after an error a worker may still be busy with what nobody waits for
            self._processes.close()
            return
        for worker in self._workers:
            worker.call("clear")

    def open(self, prepared: Prepared, slots: Sequence[Slot], states: dict[str, SlotState]) -> None:
        """Drop everything, and distribute these slots, from their states or fresh.

        Raises:
            Failure: They do not fit into memory.
        """
        if not self._workers:
            self._workers = [LocalWorker(), *self._processes.take(self.processes - 1)]
        self._prepared = prepared.read_only()
        of_slots = zip(slots, shapes(prepared, slots), strict=True)
        self._shapes = {slot.name: shape for slot, shape in of_slots}  # asked for often, and slow to make
        self._seconds: dict[Any, float] = {}
        self._stacked: list[list[list[Slot]]] = [[] for _ in self._workers]
        for worker in self._workers:
            worker.call("clear")
        if slots:
            check(prepared, slots)
        self._distribute(balanced([list(slots), *([] for _ in self._workers[1:])], self._lags(), self._cost), states)

    def advance(self) -> list[SlotState]:
        """Train every running slot up to its next validation; their states, without arrays."""
        self._rebalance()
        for worker in reversed(self._workers):  # this process last: its call returns only when it is done
            worker.call("advance")
        advanced: list[Advanced] = list(chain.from_iterable(worker.result() for worker in self._workers))
        states = [state for stack in advanced for state in stack.states]
        self._note_seconds(advanced)
        self._forget([state.name for state in states if state.status != "running"])
        return states

    def leave(self, names: list[str]) -> None:
        """Remove slots, wherever they are."""
        self._call_all("leave", names)
        self._forget(names)

    def states(self) -> list[SlotState]:
        """All slots with their arrays."""
        return list(chain.from_iterable(self._call_all("states")))

    def _rebalance(self) -> None:
        """Move slots where that brings the next validation forward, and merge stacks that have become small."""
        now, lags = self._shares(), self._lags()
        better = balanced(now, lags, self._cost)
        if makespan(better, lags, self._cost) > _WORTH * makespan(now, lags, self._cost):
            better = now
        changing = [
            place
            for place, share in enumerate(better)
            if share != now[place] or len(self._blocks(share)) < len(self._stacked[place])
        ]
        released: dict[str, SlotState] = {}
        for place in changing:
            going = [slot.name for slot in now[place] if slot not in better[place]]
            self._workers[place].call("release", going)
        for place in changing:
            released |= {state.name: state for state in self._workers[place].result()}
            self._stacked[place] = []
        self._distribute([share if place in changing else [] for place, share in enumerate(better)], released)

    def _distribute(self, shares: Shares, states: dict[str, SlotState]) -> None:
        """Give each worker its share, beside what it has."""
        for place, share in reversed([*enumerate(shares)]):
            if not share:
                continue
            stacks = self._blocks(share)
            self._stacked[place] += stacks
            mine = {slot.name: states[slot.name] for slot in share if slot.name in states}
            self._workers[place].call("open", self._prepared, stacks, mine)

    def _forget(self, names: Sequence[str]) -> None:
        gone = set(names)
        for place, stacks in enumerate(self._stacked):
            left = ([slot for slot in stack if slot.name not in gone] for stack in stacks)
            self._stacked[place] = [stack for stack in left if stack]

    def _shares(self) -> Shares:
        return [[slot for stack in stacks for slot in stack] for stacks in self._stacked]

    def _note_seconds(self, advanced: Sequence[Advanced]) -> None:
        """Keep the seconds of a slot of each shape, whichever worker trained it."""
        totals: dict[Any, tuple[float, int]] = {}
        for stack in advanced:
            shape = self._shapes[stack.states[0].name]
            seconds, slots = totals.get(shape, (0.0, 0))
            totals[shape] = seconds + stack.seconds, slots + len(stack.states)
        self._seconds |= {shape: seconds / slots for shape, (seconds, slots) in totals.items()}

    def _cost(self, slot: Slot) -> float:
        return self._seconds.get(self._shapes[slot.name], self._advance_s)

    def _blocks(self, share: Sequence[Slot]) -> list[list[Slot]]:
        return blocks(share, self.block, lambda slot: self._shapes[slot.name])

    def _lags(self) -> list[float]:
        return [worker.lag for worker in self._workers]

    def _call_all(self, method: str, *args: Any) -> list[Any]:
        """Call all workers, this process last, and collect the results in the workers' order."""
        for worker in reversed(self._workers):
            worker.call(method, *args)
        return [worker.result() for worker in self._workers]
