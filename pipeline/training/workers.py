"""Where stacks train: in this process, or in a worker process. Each trains on one thread.

Two threads in one process gain a third on a quiet machine and lose everything on a busy one; two processes double.
A host keeps stacks and does what it is asked. Whoever asks all hosts first and collects the answers afterwards has
all the parallelism there is, so a program of any number of hosts reads the same.
"""

import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.lifetime import end_with_parent
from pipeline.training.loop import advance
from pipeline.training.numerics import settle
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack import Stack


class Trained(NamedTuple):
    """What a stretch of a stack brought: its slots' states, without arrays, and the CPU seconds it took."""

    states: list[SlotState]
    seconds: float


class Host:
    """Keeps some stacks, and the states of slots that are in none."""

    def __init__(self) -> None:
        settle()
        self._stacks: list[Stack] = []
        self._states: dict[str, SlotState] = {}

    def open(self, prepared: Prepared, blocks: list[list[Slot]], states: dict[str, SlotState]) -> None:
        """Stack these slots beside those that are, each from its state here or among those given, or fresh."""
        self._states |= states
        for block in blocks:
            known = {slot.name: self._states.pop(slot.name) for slot in block if slot.name in self._states}
            self._stacks.append(Stack(prepared, block, known))

    def advance(self) -> list[Trained]:
        """Train every running slot up to its next validation."""
        trained = []
        for stack in self._stacks:
            if stack.slots:
                start = time.thread_time()
                states = [_light(state) for state in advance(stack)]
                trained.append(Trained(states, time.thread_time() - start))
        return trained

    def leave(self, names: list[str]) -> None:
        """Cut slots out."""
        for stack in self._stacks:
            stack.leave(names)

    def states(self) -> list[SlotState]:
        """All slots with their arrays."""
        return [*self._states.values(), *(state for stack in self._stacks for state in stack.states())]

    def release(self, names: list[str]) -> list[SlotState]:
        """Take all stacks apart and give these slots away; the others wait here to be stacked anew."""
        self._states = {state.name: state for state in self.states()}
        self._stacks = []
        return [self._states.pop(name) for name in names]

    def clear(self) -> None:
        """Forget everything."""
        self._stacks, self._states = [], {}


class Here:
    """A host in this process: it does at once what it is asked."""

    lag = 0.0

    def __init__(self) -> None:
        self._host = Host()

    def ask(self, method: str, *args: Any) -> None:
        """Do it."""
        self._answer = getattr(self._host, method)(*args)

    def answer(self) -> Any:
        """What came of it."""
        return self._answer


class Worker:
    """A host in a process of its own, which dies with this one.

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
        self._unanswered = 0
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
        """Whether it can be asked."""
        return self._process.is_alive()

    def ask(self, method: str, *args: Any) -> None:
        """Have it do something."""
        try:
            self._connection.send((method, args))
        except ConnectionError:
            raise self._gone() from None
        self._unanswered += 1

    def answer(self) -> Any:
        """What came of what it was asked last."""
        if self._start_s is None:
            self._start_s = self._receive()
        last = None
        while self._unanswered:
            last = self._receive()
            self._unanswered -= 1
        return last

    def close(self) -> None:
        """End it, whatever it does: it holds nothing that must be closed."""
        self._connection.close()
        self._process.kill()
        self._process.join()

    def _receive(self) -> Any:
        try:
            well, answer = self._connection.recv()
        except (EOFError, ConnectionError):
            raise self._gone() from None
        if not well:
            raise answer
        return answer

    def _gone(self) -> Failure:
        self._process.join(timeout=5)
        return Failure(
            f"a worker process ended without an answer (exit code {self._process.exitcode}): "
            "it may have run out of memory; try --set processes=1"
        )


class Workers:
    """Worker processes, started when first needed and kept for whoever needs them next.

    Attributes:
        start_s: CPU seconds that a worker's start should take; until then others do its work.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self.start_s = start_s
        self._all: list[Worker] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(worker.alive for worker in self._all)

    def take(self, count: int) -> list[Worker]:
        """So many workers, started if need be."""
        self._all = [worker for worker in self._all if worker.alive]
        self._all += [Worker(self.start_s) for _ in range(count - len(self._all))]
        return self._all[:count]

    def starts(self) -> list[float]:
        """CPU seconds that the starts took, as far as they are known."""
        return [it for worker in self._all if worker.alive and (it := worker.start_s) is not None]

    def close(self) -> None:
        """End them all."""
        for worker in self._all:
            worker.close()
        self._all = []


def _serve(connection: Connection, parent: int) -> None:
    """What a worker does until its connection closes."""
    if not end_with_parent(signal.SIGKILL, parent):
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    host = Host()
    answer: tuple[bool, Any] = (True, time.process_time())
    try:
        while True:
            connection.send(answer)
            method, args = connection.recv()
            answer = _tried(host, method, args)
    except (EOFError, ConnectionError):  # the parent is gone or needs no worker any more
        return


def _tried(host: Host, method: str, args: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, getattr(host, method)(*args)
    except Exception as error:
        return False, error


def _light(state: SlotState) -> SlotState:
    """The state without its arrays."""
    return SlotState(**{**state.__dict__, "arrays": {}})
