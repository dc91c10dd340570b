"""Processes that train stacks: one thread a process, one process a core.

A host keeps stacks and does what it is asked; it lives in this process or in a worker. Asking all hosts first and
collecting the answers afterwards is all the parallelism there is, so a program of any number of hosts reads the same.
"""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.lifetime import end_with_parent
from pipeline.training.numerics import settle
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack import Stack


class Host:
    """Keeps some stacks."""

    def __init__(self) -> None:
        settle()
        self._stacks: list[Stack] = []

    def open(self, prepared: Prepared, blocks: list[list[Slot]], states: dict[str, SlotState]) -> None:
        """Forget all stacks and take these."""
        self._stacks = [Stack(prepared, block, states) for block in blocks]

    def epoch(self) -> list[SlotState]:
        """Train every running slot for an epoch; their states, without arrays."""
        return [_light(state) for stack in self._stacks for state in stack.epoch()]

    def leave(self, names: list[str]) -> None:
        """Cut slots out."""
        for stack in self._stacks:
            stack.leave(names)

    def states(self) -> list[SlotState]:
        """All slots with their arrays."""
        return [state for stack in self._stacks for state in stack.states()]


class _Here:
    """A host in this process: it answers at once."""

    def __init__(self) -> None:
        self._host = Host()

    def ask(self, method: str, *args: Any) -> None:
        self._answer = getattr(self._host, method)(*args)

    def answer(self) -> Any:
        return self._answer

    def close(self) -> None:
        """Nothing to end."""


class _Worker:
    """A host in a process of its own, which dies with this one."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, os.getpid()), daemon=True)
        self._process.start()
        there.close()

    def ask(self, method: str, *args: Any) -> None:
        self._connection.send((method, args))

    def answer(self) -> Any:
        try:
            well, answer = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join(timeout=5)
            raise Failure(
                f"a worker process ended without an answer (exit code {self._process.exitcode}): "
                "it may have run out of memory; try --set processes=1 or fewer slots"
            ) from None
        if not well:
            raise answer
        return answer

    def close(self) -> None:
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()


class Crew:
    """Some hosts, started when first needed and kept until the crew is left.

    Args:
        processes: How many; 1 trains in this process.
    """

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._hosts: Sequence[_Here | _Worker] = []

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._hosts:
            host.close()

    @property
    def size(self) -> int:
        """Number of hosts."""
        return self._processes

    def open(self, prepared: Prepared, shares: list[list[list[Slot]]], states: dict[str, SlotState]) -> None:
        """Give each host its share of blocks."""
        if not self._hosts:
            self._hosts = [_Here()] if self._processes == 1 else [_Worker() for _ in range(self._processes)]
        for host, blocks in zip(self._hosts, shares, strict=True):
            names = {slot.name for block in blocks for slot in block}
            host.ask("open", prepared, blocks, {name: state for name, state in states.items() if name in names})
        self._answers()

    def epoch(self) -> list[SlotState]:
        """One epoch on every host."""
        return self._all("epoch")

    def leave(self, names: list[str]) -> None:
        """Cut slots out wherever they are."""
        for host in self._hosts:
            host.ask("leave", names)
        self._answers()

    def states(self) -> list[SlotState]:
        """All slots of all hosts."""
        return self._all("states")

    def _all(self, method: str) -> list[SlotState]:
        for host in self._hosts:
            host.ask(method)
        return [state for states in self._answers() for state in states]

    def _answers(self) -> list[Any]:
        return [host.answer() for host in self._hosts]


def _serve(connection: Connection, parent: int) -> None:
    """What a worker does until its connection closes."""
    if not end_with_parent(signal.SIGKILL, parent):
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    host = Host()
    while True:
        try:
            method, args = connection.recv()
        except (EOFError, ConnectionError):
            return
        try:
            connection.send((True, getattr(host, method)(*args)))
        except ConnectionError:  # the parent was killed, and its death signal is on the way
            return
        except Exception as error:
            connection.send((False, error))


def _light(state: SlotState) -> SlotState:
    """The state without its arrays."""
    return SlotState(**{**state.__dict__, "arrays": {}})
