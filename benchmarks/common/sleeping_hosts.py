"""Hosts that are real Ray actors on this machine and sleep instead of training, so that two cores hold many.

What they answer is computed here, as on a virtual clock; an actor imports neither torch nor the package.
"""

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import sleeper
from benchmarks.common.virtual_hosts import PretendingWorker, Value
from pipeline.training.workers.hosts import Host
from pipeline.training.workers.ray.engine import RayEngine

_PATIENCE = 10


class SleepingHost:
    """A host whose actor sleeps for as long as training would take.

    Args:
        host: The actor's.
        worker: Computes the answers.

    Attributes:
        host: The actor's.
        worker: Computes the answers.
        slept_s: Seconds of all calls that were answered.
    """

    lag = 0.0

    def __init__(self, host: Any, worker: PretendingWorker) -> None:
        self.host, self.worker, self.name = host, worker, host.name
        self._answers: deque[tuple[float, Any]] = deque()
        self.slept_s = 0.0

    @property
    def pending(self) -> int:
        """See `Host`."""
        return len(self._answers)

    @property
    def alive(self) -> bool:
        """See `Host`."""
        return bool(self.host.alive)

    def call(self, method: str, *args: Any) -> None:
        """See `Host`."""
        answer, seconds = getattr(self.worker, method)(*args)
        self.host.call("sleep", seconds)
        self._answers.append((seconds, answer))

    def result(self) -> Any:
        """See `Host`."""
        seconds, answer = self._answers.popleft()
        self.host.result()
        self.slept_s += seconds
        return answer

    def close(self) -> None:
        """See `Host`."""
        self.host.close()


class SleepingHosts:
    """An engine of such hosts, on a Ray cluster of its own.

    Args:
        count: How many.
        seconds: Of a slot up to a look from the one before.
        objective: Of a slot.

    Attributes:
        count: How many.
    """

    trains_here = False

    def __init__(self, count: int, seconds: Value, objective: Value) -> None:
        import ray

        ray.cloudpickle.register_pickle_by_value(sleeper)
        self.count, self._seconds, self._objective = count, seconds, objective
        self._engine = RayEngine(None, Path.cwd(), count=count, make=sleeper.Sleeper)
        self._hosts: list[SleepingHost] = []
        self._began = 0.0

    def now(self) -> float:
        """Seconds since all hosts had started."""
        return time.perf_counter() - self._began

    def busy_s(self) -> float:
        """Seconds for which they have slept, without what they are at."""
        return sum(host.slept_s for host in self._hosts)

    def epochs(self) -> int:
        """Those for which they have slept."""
        return sum(host.worker.epochs for host in self._hosts)

    def take(self, count: int) -> list[Host]:
        """See `Engine`.

        Raises:
            RuntimeError: Not all have started.
        """
        for _ in range(_PATIENCE):  # the engine goes on without those that take long to start
            if len(found := self._engine.take(count)) == count:
                break
        else:
            raise RuntimeError(f"{len(found)} of {count} actors have started")
        self._hosts = [SleepingHost(it, PretendingWorker(self._seconds, self._objective)) for it in found]
        self._began = time.perf_counter()
        return [*self._hosts]

    def joined(self) -> list[Host]:
        """See `Engine`: none is lost here."""
        return []

    def ready(self, hosts: Sequence[Host], seconds: float | None) -> list[Host]:
        """See `Engine`."""
        by_actor = {id(host.host): host for host in hosts if isinstance(host, SleepingHost)}
        actors = [host.host for host in hosts if isinstance(host, SleepingHost)]
        return [by_actor[id(it)] for it in self._engine.ready(actors, seconds)]

    def close(self) -> None:
        """See `Engine`."""
        self._engine.close()
