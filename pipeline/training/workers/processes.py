"""Where stacks train: in this process, or in a worker process. Each trains on one thread.

Two threads in one process gain a third on a quiet machine and lose everything on a busy one; two processes double.
"""

import multiprocessing
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

from pipeline.data.prepared import Prepared
from pipeline.main_module import without_main
from pipeline.parent_process import end_with_parent
from pipeline.training.loop import advance
from pipeline.training.numerics import settle
from pipeline.training.ranks import ALONE, Ranks
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack.stack import Stack
from pipeline.training.workers.hosts import Host, HostLostError

_STILLBORN = 3  # worker processes in a row that end before they have started: no more are tried


class Advanced(NamedTuple):
    """A stack after its next validation.

    Attributes:
        states: Its slots' states; those that run on are without arrays.
        seconds: CPU seconds that it took.
    """

    states: list[SlotState]
    seconds: float


class Worker:
    """Trains some stacks, which the caller numbers.

    Args:
        ranks: The processes that have the same stacks.
    """

    def __init__(self, ranks: Ranks = ALONE) -> None:
        settle()
        self._ranks = ranks
        self._stacks: dict[int, Stack] = {}
        self._states: dict[str, SlotState] = {}

    def open(self, prepared: Prepared, blocks: Mapping[int, list[Slot]], states: dict[str, SlotState]) -> None:
        """Add a stack a block of slots, each slot from its state here or among those given, or fresh."""
        known = self._states | states
        for number, block in blocks.items():
            own = {slot.name: known[slot.name] for slot in block if slot.name in known}
            self._stacks[number] = Stack(prepared, block, own, ranks=self._ranks)
            for slot in block:
                self._states.pop(slot.name, None)

    def advance(self, number: int) -> Advanced:
        """Train the running slots of a stack up to their next validation; nothing where none runs any more."""
        stack = self._stacks.get(number)
        if stack is None:
            return Advanced([], 0.0)
        start = time.thread_time()
        states = [_without_arrays(state) if state.status == "running" else state for state in advance(stack)]
        self._drop_empty()
        return Advanced(states, time.thread_time() - start)

    def leave(self, names: list[str]) -> list[SlotState]:
        """Remove slots from their stacks; their last states, of those that still ran."""
        left = []
        for stack in self._stacks.values():
            left += [state for state in stack.progress if state.name in names]
            stack.leave(names)
        self._drop_empty()
        return left

    def states(self, numbers: Sequence[int]) -> list[SlotState]:
        """The running slots of some stacks with their arrays."""
        stacks = (self._stacks[number] for number in numbers if number in self._stacks)
        return [state for stack in stacks for state in stack.states() if state.status == "running"]

    def release(self, numbers: Sequence[int], names: list[str]) -> list[SlotState]:
        """Take stacks apart and return these of their slots; the others wait here for `open`."""
        states = {state.name: state for state in self.states(numbers)}
        for number in numbers:
            self._stacks.pop(number, None)
        going = [states.pop(name) for name in names if name in states]
        self._states |= states
        return going

    def clear(self) -> None:
        """Drop all stacks and states."""
        self._stacks, self._states = {}, {}

    def _drop_empty(self) -> None:
        self._stacks = {number: stack for number, stack in self._stacks.items() if stack.slots}


class LocalWorker:
    """A worker in this process, see `Host`: a call returns when it is done."""

    name = "this process"
    lag = 0.0
    alive = True

    def __init__(self, worker: Worker | None = None) -> None:
        self._worker = worker or Worker()
        self._answers: deque[Any] = deque()

    @property
    def pending(self) -> int:
        """Calls whose answer was not asked for."""
        return len(self._answers)

    def call(self, method: str, *args: Any) -> None:
        """Run a method of `Worker`."""
        self._answers.append(getattr(self._worker, method)(*args))

    def result(self) -> Any:
        """What the oldest call returned."""
        return self._answers.popleft()

    def close(self) -> None:
        """Drop everything."""
        self._worker.clear()
        self._answers.clear()


class WorkerProcess:
    """A worker in a process of its own, which dies with this one; see `Host`.

    Args:
        start_s: CPU seconds that its start should take.
        number: In messages.
    """

    def __init__(self, start_s: float, number: int = 1) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, os.getpid()), daemon=True)
        with without_main():
            self._process.start()
        there.close()
        self.name = f"worker process {number}"
        self.pending = 0
        self._expected = time.monotonic() + start_s
        self._start_s: float | None = None
        # Sent by a thread: a pipe holds little, and a process that hangs, or is answering, reads nothing.
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=_send, args=(self._connection, self._outbox), daemon=True).start()

    @property
    def start_s(self) -> float | None:
        """CPU seconds that its start took; None while it still starts, or where it never did."""
        try:
            if self._start_s is None and self._connection.poll():
                self._start_s = self._receive()
        except (HostLostError, OSError):
            return None
        return self._start_s

    @property
    def lag(self) -> float:
        """Seconds until it can begin; 0 once it has started."""
        return 0.0 if self.start_s is not None else max(0.0, self._expected - time.monotonic())

    @property
    def alive(self) -> bool:
        """Whether it can be called."""
        return self._process.is_alive()

    @property
    def answers(self) -> bool:
        """Whether `result` needs not wait."""
        try:
            return self.start_s is not None and self._connection.poll()
        except OSError:
            return True

    @property
    def watched(self) -> list[Any]:
        """What `multiprocessing.connection.wait` waits for."""
        return [self._connection, self._process.sentinel]

    def call(self, method: str, *args: Any) -> None:
        """Begin to run a method of `Worker`.

        Raises:
            HostLostError: The process is gone.
        """
        if not self.alive:
            raise self._gone()
        self._outbox.put(bytes(ForkingPickler.dumps((method, args))))
        self.pending += 1

    def result(self) -> Any:
        """Wait for the answer to the oldest call that has none.

        Raises:
            Exception: What the call raised.
            HostLostError: The process is gone.
        """
        if self._start_s is None:
            self._start_s = self._receive()
        result = self._receive()
        self.pending -= 1
        return result

    def close(self) -> None:
        """Kill it, whatever it does: it holds nothing that must be closed."""
        self._process.kill()
        self._process.join()
        self._outbox.put(None)
        self._connection.close()

    def _receive(self) -> Any:
        try:
            succeeded, result = self._connection.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        if not succeeded:
            self.pending -= 1
            raise result
        return result

    def _gone(self) -> HostLostError:
        self._process.join(timeout=5)
        return HostLostError(f"{self.name} (exit code {self._process.exitcode}) is gone")


class WorkerProcesses:
    """Worker processes beside this process, started when first needed and kept for whoever needs them next.

    See `Engine`.

    Attributes:
        start_s: CPU seconds that a worker's start should take; until then others do its work.
    """

    trains_here = True

    def __init__(self, start_s: float = 0.0) -> None:
        self.start_s = start_s
        self._all: list[WorkerProcess] = []
        self._wanted = self._started = self._stillborn = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(worker.alive for worker in self._all)

    def take(self, count: int) -> list[Host]:
        """So many workers, started where there are fewer."""
        self._wanted, self._stillborn = count, 0
        self._replace()
        return [*self._all[:count]]

    def joined(self) -> list[Host]:
        """Workers in place of those that are gone."""
        before = [*self._all]
        self._replace()
        return [worker for worker in self._all if worker not in before]

    def ready(self, hosts: Sequence[Host], seconds: float | None) -> list[Host]:
        """See `Engine`."""
        workers = [host for host in hosts if isinstance(host, WorkerProcess)]
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            found: list[Host] = [worker for worker in workers if worker.answers or not worker.alive]
            left = None if until is None else until - time.monotonic()
            if found or (left is not None and left <= 0.0):
                return found
            connection.wait([it for worker in workers for it in worker.watched], left)

    def starts(self) -> list[float]:
        """CPU seconds that the starts took, as far as they are known."""
        return [start_s for worker in self._all if worker.alive and (start_s := worker.start_s) is not None]

    def close(self) -> None:
        """Kill them all."""
        for worker in self._all:
            worker.close()
        self._all = []

    def _replace(self) -> None:
        """Drop those that are gone, and start as many as are wanted; but not for ever those that cannot start."""
        gone = [worker for worker in self._all if not worker.alive]
        self._all = [worker for worker in self._all if worker.alive]
        if gone:
            self._stillborn = self._stillborn + len(gone) if all(it.start_s is None for it in gone) else 0
        while len(self._all) < self._wanted and self._stillborn < _STILLBORN:
            self._started += 1
            self._all.append(WorkerProcess(self.start_s, self._started))


def _send(there: Connection, outbox: "queue.SimpleQueue[bytes | None]") -> None:
    """Send what is put into a queue, up to None."""
    while (message := outbox.get()) is not None:
        try:
            there.send_bytes(message)
        except (OSError, ValueError):  # the process is gone, which `result` says
            return


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
    """The state as it is now: the slot's own goes on to grow, and a caller in this process would see it."""
    return replace(state, arrays={}, history=[*state.history], updates=[*state.updates])
