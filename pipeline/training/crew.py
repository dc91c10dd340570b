"""The crew of a step: this process and its workers, and which slots each trains.

A slot may move from one host to another between two stretches, with all it has learnt; no value changes by it. So a
worker that is still starting is no hindrance, and one that has lost its trials to the pruner gets others.
"""

from collections.abc import Sequence
from itertools import chain
from types import TracebackType
from typing import Any

from pipeline.data.prepared import Prepared
from pipeline.training.calibration import BLOCK
from pipeline.training.dealing import Shares, balanced, blocks, makespan
from pipeline.training.memory import check
from pipeline.training.slot import Slot, SlotState
from pipeline.training.workers import Here, Trained, Worker, Workers

_WORTH = 0.9  # a move that leaves more than this share of a stretch's time is not worth its disturbance


class Crew:
    """Some hosts, the first of which is this process.

    Args:
        processes: How many.
        block: Most slots of a stack, where an experiment leaves it open.
        workers: Where the other hosts come from and stay; by default they are the crew's own and end with it.
        stretch_s: A guess at the CPU seconds of a slot up to its first look; later ones are measured.
    """

    def __init__(
        self, processes: int, block: int = BLOCK, workers: Workers | None = None, stretch_s: float = 1.0
    ) -> None:
        self.processes, self.block = processes, block
        self._workers, self._owned = Workers() if workers is None else workers, workers is None
        self._stretch_s = stretch_s
        self._hosts: list[Here | Worker] = []

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._owned or error:  # after an error a worker may still be busy with what nobody waits for
            self._workers.close()
            return
        for host in self._hosts:
            host.ask("clear")

    def open(self, prepared: Prepared, slots: Sequence[Slot], states: dict[str, SlotState]) -> None:
        """Forget everything, and deal these slots out, from their states or fresh.

        Raises:
            Failure: They do not fit into memory.
        """
        if not self._hosts:
            self._hosts = [Here(), *self._workers.take(self.processes - 1)]
        self._prepared = prepared
        self._shapes = {slot.name: slot.shape() for slot in slots}  # asked for often, and slow to make
        self._seconds: dict[Any, float] = {}
        self._cut: list[list[list[Slot]]] = [[] for _ in self._hosts]
        for host in self._hosts:
            host.ask("clear")
        if slots:
            check(prepared, slots)
        self._deal(balanced([list(slots), *([] for _ in self._hosts[1:])], self._lags(), self._cost), states)

    def advance(self) -> list[SlotState]:
        """Train every running slot up to its next look; their states, without arrays."""
        self._rebalance()
        for host in reversed(self._hosts):  # this process last: it answers only when it is done
            host.ask("advance")
        stretches: list[Trained] = list(chain.from_iterable(host.answer() for host in self._hosts))
        states = [state for stretch in stretches for state in stretch.states]
        self._note(stretches)
        self._forget([state.name for state in states if state.status != "running"])
        return states

    def leave(self, names: list[str]) -> None:
        """Cut slots out wherever they are."""
        self._all("leave", names)
        self._forget(names)

    def states(self) -> list[SlotState]:
        """All slots with their arrays."""
        return list(chain.from_iterable(self._all("states")))

    def _rebalance(self) -> None:
        """Move slots where that shortens the stretches to come, and merge stacks that have become small."""
        now, lags = self._shares(), self._lags()
        better = balanced(now, lags, self._cost)
        if makespan(better, lags, self._cost) > _WORTH * makespan(now, lags, self._cost):
            better = now
        changing = [
            place
            for place, share in enumerate(better)
            if share != now[place] or len(self._blocks(share)) < len(self._cut[place])
        ]
        released: dict[str, SlotState] = {}
        for place in changing:
            going = [slot.name for slot in now[place] if slot not in better[place]]
            self._hosts[place].ask("release", going)
        for place in changing:
            released |= {state.name: state for state in self._hosts[place].answer()}
            self._cut[place] = []
        self._deal([share if place in changing else [] for place, share in enumerate(better)], released)

    def _deal(self, shares: Shares, states: dict[str, SlotState]) -> None:
        """Give each host its share, beside what it has."""
        for place, share in reversed([*enumerate(shares)]):  # this process last: it answers only when it is done
            if not share:
                continue
            cut = self._blocks(share)
            self._cut[place] += cut
            mine = {slot.name: states[slot.name] for slot in share if slot.name in states}
            self._hosts[place].ask("open", self._prepared, cut, mine)

    def _forget(self, names: Sequence[str]) -> None:
        gone = set(names)
        for place, cut in enumerate(self._cut):
            left = ([slot for slot in block if slot.name not in gone] for block in cut)
            self._cut[place] = [block for block in left if block]

    def _shares(self) -> Shares:
        return [[slot for block in cut for slot in block] for cut in self._cut]

    def _note(self, stretches: Sequence[Trained]) -> None:
        """Keep what a stretch of a slot of each shape took, whichever host trained it."""
        totals: dict[Any, tuple[float, int]] = {}
        for stretch in stretches:
            shape = self._shapes[stretch.states[0].name]
            seconds, slots = totals.get(shape, (0.0, 0))
            totals[shape] = seconds + stretch.seconds, slots + len(stretch.states)
        self._seconds |= {shape: seconds / slots for shape, (seconds, slots) in totals.items()}

    def _cost(self, slot: Slot) -> float:
        return self._seconds.get(self._shapes[slot.name], self._stretch_s)

    def _blocks(self, share: Sequence[Slot]) -> list[list[Slot]]:
        return blocks(share, self.block, lambda slot: self._shapes[slot.name])

    def _lags(self) -> list[float]:
        return [host.lag for host in self._hosts]

    def _all(self, method: str, *args: Any) -> list[Any]:
        """Ask all hosts, this process last, and collect the answers in the hosts' order."""
        for host in reversed(self._hosts):
            host.ask(method, *args)
        return [host.answer() for host in self._hosts]
