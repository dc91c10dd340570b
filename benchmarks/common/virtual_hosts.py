"""Hosts on a virtual clock: they train nothing, and what they answer comes when training would have been done.

What the coordinator does between two looks at the clock is real, and its CPU time passes on the clock, too.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.data.prepared import Prepared
from pipeline.training.length import length_of
from pipeline.training.progress import LOSS, OBJECTIVE
from pipeline.training.slot import Slot, SlotState
from pipeline.training.workers.hosts import Host
from pipeline.training.workers.processes import Advanced

Value = Callable[[str, int], float]
"""The objective of a slot, by its name, after so many looks; or the seconds up to that look."""


class PretendingWorker:
    """Answers as `Worker` does, with curves that are given.

    Each method returns the answer, and the seconds that a worker would take for it.

    Args:
        seconds: Of a slot up to a look from the one before.
        objective: Of a slot.

    Attributes:
        epochs: So many it has trained, of all slots.
    """

    def __init__(self, seconds: Value, objective: Value) -> None:
        self._seconds, self._objective = seconds, objective
        self._slots: dict[int, dict[str, tuple[SlotState, int]]] = {}
        self._waiting: dict[str, tuple[SlotState, int]] = {}
        self.epochs = 0

    def open(
        self, prepared: Prepared, blocks: Mapping[int, list[Slot]], states: dict[str, SlotState]
    ) -> tuple[None, float]:
        """See `Worker`."""
        for number, block in blocks.items():
            self._slots[number] = {}
            for slot in block:
                fresh = states.get(slot.name, SlotState(slot.name)), _looks(prepared, slot)
                self._slots[number][slot.name] = self._waiting.pop(slot.name, fresh)
        return None, 0.0

    def advance(self, number: int) -> tuple[Advanced, float]:
        """See `Worker`."""
        slots, seconds, states = self._slots.get(number, {}), 0.0, []
        for name, (state, ends) in [*slots.items()]:
            look = state.looks + 1
            seconds += self._seconds(name, look)
            value = self._objective(name, look)
            state = replace(state, history=[*state.history, {OBJECTIVE: value, LOSS: -value}])
            state.updates, state.best_look, state.best_objective = [*range(1, look + 1)], look, value
            state.status = "finished" if look == ends else "running"
            slots[name] = state, ends
            states.append(state)
            if look == ends:
                del slots[name]
        self.epochs += len(states)
        return Advanced(states, seconds), seconds

    def leave(self, names: Sequence[str]) -> tuple[list[SlotState], float]:
        """See `Worker`."""
        left = []
        for slots in self._slots.values():
            left += [replace(slots.pop(name)[0], status="pruned") for name in names if name in slots]
        return left, 0.0

    def states(self, numbers: Sequence[int]) -> tuple[list[SlotState], float]:
        """See `Worker`."""
        return [state for number in numbers for state, _ in self._slots.get(number, {}).values()], 0.0

    def release(self, numbers: Sequence[int], names: Sequence[str]) -> tuple[list[SlotState], float]:
        """See `Worker`."""
        for number in numbers:
            self._waiting |= self._slots.pop(number, {})
        return [self._waiting.pop(name)[0] for name in names if name in self._waiting], 0.0

    def clear(self) -> tuple[None, float]:
        """See `Worker`."""
        self._slots, self._waiting = {}, {}
        return None, 0.0


def _looks(prepared: Prepared, slot: Slot) -> int:
    """Those of a slot's training."""
    return slot.experiment.training.epochs or len(
        length_of(prepared.view(slot.replicate, slot.fold), slot.experiment).looks
    )


class VirtualHost:
    """A host that does its work at once and answers it later.

    Args:
        name: In messages.
        engine: Has the clock.

    Attributes:
        worker: What it runs.
    """

    lag = 0.0
    alive = True

    def __init__(self, name: str, engine: "VirtualHosts") -> None:
        self.name, self._engine = name, engine
        self.worker = PretendingWorker(engine.seconds, engine.objective)
        self._answers: deque[tuple[float, Any]] = deque()
        self._free_at = self._work_s = 0.0

    @property
    def pending(self) -> int:
        """See `Host`."""
        return len(self._answers)

    @property
    def answers_at(self) -> float:
        """When the oldest call is answered."""
        return self._answers[0][0] if self._answers else float("inf")

    @property
    def busy_s(self) -> float:
        """Virtual seconds for which it has trained."""
        return self._work_s - max(0.0, self._free_at - self._engine.now())

    def call(self, method: str, *args: Any) -> None:
        """See `Host`."""
        answer, seconds = getattr(self.worker, method)(*args)
        self._free_at = max(self._free_at, self._engine.now()) + seconds
        self._work_s += seconds
        self._answers.append((self._free_at, answer))

    def result(self) -> Any:
        """See `Host`."""
        return self._answers.popleft()[1]

    def close(self) -> None:
        """See `Host`."""


class VirtualHosts:
    """An engine of virtual hosts.

    Args:
        count: How many.
        seconds: Of a slot up to a look from the one before.
        objective: Of a slot.

    Attributes:
        count: How many.
    """

    trains_here = False

    def __init__(self, count: int, seconds: Value, objective: Value) -> None:
        self.count, self.seconds, self.objective = count, seconds, objective
        self.all = [VirtualHost(f"host {number}", self) for number in range(count)]
        self._waited_s, self._began = 0.0, time.process_time()

    def now(self) -> float:
        """Virtual seconds since the start."""
        return self._waited_s + time.process_time() - self._began

    def busy_s(self) -> float:
        """Virtual seconds for which they have trained."""
        return sum(host.busy_s for host in self.all)

    def epochs(self) -> int:
        """Those that were trained."""
        return sum(host.worker.epochs for host in self.all)

    def take(self, count: int) -> list[Host]:
        """See `Engine`."""
        return [*self.all[:count]]

    def joined(self) -> list[Host]:
        """See `Engine`."""
        return []

    def ready(self, hosts: Sequence[Host], seconds: float | None) -> list[Host]:
        """See `Engine`; the clock goes forward where nothing is ready."""
        waiting = [host for host in hosts if isinstance(host, VirtualHost)]
        first = min((host.answers_at for host in waiting), default=0.0)
        left = first - self.now()
        if left > 0.0:
            self._waited_s += left if seconds is None else min(left, seconds)
        now = self.now()
        return [host for host in waiting if host.answers_at <= now]

    def close(self) -> None:
        """See `Engine`."""
