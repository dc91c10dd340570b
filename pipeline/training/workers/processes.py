"""Where stacks train: in this process, or in a worker process. Each trains on one thread.

Two threads in one process gain a third on a quiet machine and lose everything on a busy one; two processes double.
Calling all workers first and collecting the results afterwards runs them in parallel, so code for any number of workers
is the same.
"""

import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.parent_process import end_with_parent
from pipeline.training.loop import advance
from pipeline.training.numerics import settle
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack.stack import Stack


class Advanced(NamedTuple):
    """A stack after its next validation: its slots' states, without arrays, and the CPU seconds it took."""

    states: list[SlotState]
    seconds: float


class Worker:
    """Trains some stacks, and keeps the states of slots that are in none."""

    def __init__(self) -> None:
        settle()
        self._stacks: list[Stack] = []
        self._states: dict[str, SlotState] = {}

    def open(self, prepared: Prepared, blocks: list[list[Slot]], states: dict[str, SlotState]) -> None:
        """Add a stack a block of slots, each slot from its state here or among those given, or fresh."""
        self._states |= states
        for block in blocks:
            known = {slot.name: self._states.pop(slot.name) for slot in block if slot.name in self._states}
            self._stacks.append(Stack(prepared, block, known))

    def advance(self) -> list[Advanced]:
        """Train every running slot up to its next validation."""
        advanced = []
        for stack in self._stacks:
            if stack.slots:
                start = time.thread_time()
                states = [_without_arrays(state) for state in advance(stack)]
                advanced.append(Advanced(states, time.thread_time() - start))
        return advanced

    def leave(self, names: list[str]) -> None:
        """Remove slots from their stacks."""
        for stack in self._stacks:
            stack.leave(names)

    def states(self) -> list[SlotState]:
        """All slots with their arrays."""
        return [*self._states.values(), *(state for stack in self._stacks for state in stack.states())]

    def release(self, names: list[str]) -> list[SlotState]:
        """Take all stacks apart and return these slots; the others wait here for `open`."""
        self._states = {state.name: state for state in self.states()}
        self._stacks = []
        return [self._states.pop(name) for name in names]

    def clear(self) -> None:
        """Drop all stacks and states."""
        self._stacks, self._states = [], {}


class LocalWorker:
    """A worker in this process: a call returns when it is done.

    Attributes:
        lag: Seconds until it can begin.
    """

    lag = 0.0

    def __init__(self) -> None:
        self._worker = Worker()

    def call(self, method: str, *args: Any) -> None:
        """Run a method of `Worker`."""
        self._result = getattr(self._worker, method)(*args)

    def result(self) -> Any:
        """What the last call returned."""
        return self._result


class WorkerProcess:
    """A worker in a process of its own, which dies with this one.

    Args:
        start_s: CPU seconds that its start should take.
    """

    def __init__(self, start_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, os.getpid()), daemon=True)
        self._process.start()
        there.close()
        self._expected = time.monotonic() + start_s
        self._pending = 0
        self._start_s: float | None = None

    @property
    def start_s(self) -> float | None:
        """CPU seconds that its start took; None while it still starts."""
        if self._start_s is None and self._connection.poll():
            self._start_s = self._receive()
        return self._start_s

    @property
    def lag(self) -> float:
        """Seconds until it can begin; 0 once it has started."""
        return 0.0 if self.start_s is not None else max(0.0, self._expected - time.monotonic())

    @property
    def alive(self) -> bool:
        """Whether it can be called."""
        return self._process.is_alive()

    def call(self, method: str, *args: Any) -> None:
        """Begin to run a method of `Worker`.

        Raises:
            Failure: The process is gone.
        """
        try:
            self._connection.send((method, args))
        except ConnectionError:
            raise self._gone() from None
        self._pending += 1

    def result(self) -> Any:
        """Wait for all calls; what the last one returned.

        Raises:
            Exception: What a call raised.
            Failure: The process is gone.
        """
        if self._start_s is None:
            self._start_s = self._receive()
        result = None
        while self._pending:
            result = self._receive()
            self._pending -= 1
        return result

    def close(self) -> None:
        """Kill it, whatever it does: it holds nothing that must be closed."""
        self._connection.close()
        self._process.kill()
        self._process.join()

    def _receive(self) -> Any:
        try:
            succeeded, result = self._connection.recv()
        except (EOFError, ConnectionError):
            raise self._gone() from None
        if not succeeded:
            raise result
        return result

    def _gone(self) -> Failure:
        self._process.join(timeout=5)
        return Failure(
            f"a worker process ended without an answer (exit code {self._process.exitcode}): "
            "it may have run out of memory; try --set processes=1"
        )


class WorkerProcesses:
    """Worker processes, started when first needed and kept for whoever needs them next.

    Attributes:
        start_s: CPU seconds that a worker's start should take; until then others do its work.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self.start_s = start_s
        self._all: list[WorkerProcess] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(worker.alive for worker in self._all)

    def take(self, count: int) -> list[WorkerProcess]:
        """So many workers, started where there are fewer."""
        self._all = [worker for worker in self._all if worker.alive]
        self._all += [WorkerProcess(self.start_s) for _ in range(count - len(self._all))]
        return self._all[:count]

    def starts(self) -> list[float]:
        """CPU seconds that the starts took, as far as they are known."""
        return [start_s for worker in self._all if worker.alive and (start_s := worker.start_s) is not None]

    def close(self) -> None:
        """Kill them all."""
        for worker in self._all:
            worker.close()
        self._all = []


def _serve(connection: Connection, parent: int) -> None:
    """Run calls until the connection closes."""
    if not end_with_parent(signal.SIGKILL, parent):
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    worker = Worker()
    reply: tuple[bool, Any] = (True, time.process_time())
    try:
        while True:
            connection.send(reply)
            method, args = connection.recv()
            try:
                reply = True, getattr(worker, method)(*args)
            except Exception as error:
                reply = False, error
    except (EOFError, ConnectionError):  # the parent is gone or needs no worker any more
        return


def _without_arrays(state: SlotState) -> SlotState:
    return SlotState(**{**state.__dict__, "arrays": {}})
