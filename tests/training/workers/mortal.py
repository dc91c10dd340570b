"""Hosts in this process that die when a test wants it, and the engine that replaces them."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.training.workers.hosts import Host, HostLostError
from pipeline.training.workers.processes import Worker

Dies = Callable[[str, str], bool]
"""Whether a host dies now, by the method, and by `before` or `after` its work, or `called`."""


class MortalHost:
    """A host that does its work when it is asked for the answer."""

    lag = 0.0

    def __init__(self, number: int, dies: Dies) -> None:
        self.name, self.alive = f"host {number}", True
        self._worker, self._calls, self._dies = Worker(), deque[tuple[str, Any]](), dies

    @property
    def pending(self) -> int:
        return len(self._calls)

    def call(self, method: str, *args: Any) -> None:
        self._lives(method, "called")
        self._calls.append((method, args))

    def result(self) -> Any:
        method, args = self._calls.popleft()
        self._lives(method, "before")
        result = getattr(self._worker, method)(*args)
        self._lives(method, "after")
        return result

    def close(self) -> None:
        self.alive = False

    def _lives(self, method: str, when: str) -> None:
        if self.alive and self._dies(method, when):
            self.alive = False
        if not self.alive:
            raise HostLostError(f"{self.name} is gone")


class MortalHosts:
    """Provides them; in place of each that died comes another, as long as there are spare ones."""

    def __init__(self, dies: Dies, spare: int = 10**9, trains_here: bool = True) -> None:
        self.trains_here, self.spare, self.closed = trains_here, spare, False
        self._dies = dies
        self.all: list[MortalHost] = []

    def take(self, count: int) -> list[Host]:
        return [self._new() for _ in range(count)]

    def joined(self) -> list[Host]:
        gone = [host for host in self.all if not host.alive]
        self.all = [host for host in self.all if host.alive]
        coming = min(len(gone), self.spare)
        self.spare -= coming
        return [self._new() for _ in range(coming)]

    def ready(self, hosts: Sequence[Host], seconds: float | None) -> list[Host]:
        return [host for host in hosts if host.pending or not host.alive][:1]

    def close(self) -> None:
        self.closed = True

    def _new(self) -> MortalHost:
        self.all.append(MortalHost(len(self.all), self._dies))
        return self.all[-1]
