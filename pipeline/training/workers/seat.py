"""What a pool knows of a host: the stacks that it has, the calls that it has not answered, and how fast it is."""

import time
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from pipeline.data.prepared import Prepared
from pipeline.throttle import Throttle
from pipeline.training.slot import Slot, SlotState
from pipeline.training.workers.hosts import Host

HANGS_S = 60.0
"""Seconds without an answer before which no host is given up."""

_HANGS_TIMES = 10.0  # what a call usually takes
_START_S = 240.0  # more for a host that has to start first
_FORGET = 0.9  # of what was measured before
_ENOUGH_S = 2.0  # of work, to know its speed
_ALIKE = 1.25  # speeds that differ by less may do so by accident


@dataclass(eq=False)
class Group:
    """Slots that wait for each other.

    Attributes:
        order: Stacks of a lower one go first.
        prepared: The data.
        waits: Whether slots wait for the others after a look.
        members: The slots that run, by name.
        passed: The last look at which none waits any more.
        going: It may go on once those that were told to leave have left.
        done: The last states of the others, by name.
    """

    name: Hashable
    order: int
    prepared: Prepared
    waits: Callable[[int], bool]
    members: dict[str, "Member"] = field(default_factory=dict)
    passed: int = 0
    going: bool = False
    done: dict[str, SlotState] = field(default_factory=dict)


@dataclass(eq=False)
class Member:
    """A slot of a group.

    Attributes:
        shape: What it has in common with those that it may share a stack with.
        ends: Looks of its whole training.
        looks: Those that the caller knows.
        state: The last that is here with arrays; None where it is fresh.
        leaving: It was told to leave.
        asked: Its host was, too.
        parked: Looks that it has on a host that keeps it outside of stacks; None elsewhere.
        limit: Most slots of its stack, after it has lost a host.
        alone: Hosts in a row that it has lost by itself.
    """

    slot: Slot
    group: Group
    shape: Any
    ends: int
    looks: int
    state: SlotState | None
    leaving: bool = False
    asked: bool = False
    parked: int | None = None
    limit: int | None = None
    alone: int = 0

    @property
    def name(self) -> str:
        """Of the slot."""
        return self.slot.name

    @property
    def kept(self) -> int:
        """Looks of the state that is here."""
        return self.state.looks if self.state else 0

    @property
    def starts(self) -> int:
        """Looks of the state from which it is opened."""
        return self.kept if self.parked is None else self.parked

    @property
    def runs(self) -> bool:
        """Whether it is in its group still."""
        return self.group.members.get(self.name) is self

    @property
    def left(self) -> int:
        """Stretches from where it is opened until it ends or has to wait."""
        return self.left_after(self.starts)

    def left_after(self, looks: int) -> int:
        """Stretches from a look until it ends or has to wait."""
        ends = self.looks if self.leaving else self.ends
        waits, passed = self.group.waits, self.group.passed
        for look in range(max(looks, passed + 1), ends):
            if waits(look):
                return look - looks
        return max(0, ends - looks)


@dataclass(eq=False)
class OpenStack:
    """A stack on a host.

    Attributes:
        shape: Of its slots.
        members: Those that run.
        looks: Answered so far.
        ahead: Stretches that were called and are not answered.
        going: Slots that other hosts, or other stacks, shall have; it then trains no further.
    """

    number: int
    group: Group
    shape: Any
    members: list[Member]
    looks: int
    ahead: int = 0
    going: dict[Member, "Seat"] = field(default_factory=dict)

    @property
    def at(self) -> int:
        """Looks once all calls are answered."""
        return self.looks + self.ahead

    @property
    def runnable(self) -> bool:
        """Whether another stretch may be called."""
        if not self.members or self.going or self.at >= self.members[0].ends:
            return False
        if self.at > self.group.passed and self.group.waits(self.at):
            return False
        return not any(member.leaving and self.at >= member.looks for member in self.members)

    @property
    def left(self) -> int:
        """Stretches that may be called until it ends or has to wait."""
        return min((member.left_after(self.at) for member in self.members), default=0)


@dataclass
class _Call:
    """A call without an answer.

    Attributes:
        members: Whom it is about.
        then: Takes the answer.
    """

    method: str
    members: list[Member]
    then: Callable[[Any], None]


class Seat:
    """A host in a pool.

    Args:
        host: The host.
        usual: The longest that a slot took by the clock, by shape, on any host; added to here.
        here: It is this process.

    Attributes:
        stacks: By number.
        calls: Without an answer, oldest first.
        released: Slots that it has, or had, outside of stacks, until another host has them.
        releasing: How many such calls are without an answer.
        fetches: How often states are fetched.
        fetching: They are being fetched.
    """

    def __init__(self, host: Host, usual: dict[Any, float], here: bool = False) -> None:
        self.host, self.here = host, here
        self.stacks: dict[int, OpenStack] = {}
        self.calls: deque[_Call] = deque(_Call("", [], _forget) for _ in range(host.pending))
        self.released: list[Member] = []
        self.releasing = 0
        self.fetches = Throttle()
        self.fetching = False
        self._usual = usual
        self._began, self._answered = time.monotonic(), here
        self._spent = self._expected = 0.0

    @property
    def slowness(self) -> float:
        """How much longer it takes than a usual host."""
        ratio = self._spent / self._expected if self._expected > _ENOUGH_S else 1.0
        return ratio if not 1.0 / _ALIKE < ratio < _ALIKE else 1.0

    @property
    def members(self) -> list[Member]:
        """All slots that would be lost with it."""
        return [*self.released, *(member for stack in self.stacks.values() for member in stack.members)]

    @property
    def silent_s(self) -> float:
        """Seconds since its last answer, or since it was called."""
        return time.monotonic() - self._began

    @property
    def has_going(self) -> bool:
        """Whether a stack is to be taken apart."""
        return any(stack.going for stack in self.stacks.values())

    @property
    def idle(self) -> bool:
        """Whether nothing is to be done here."""
        if any(call.members for call in self.calls) or self.has_going:
            return False
        return not any(stack.runnable for stack in self.stacks.values())

    def called(self, method: str, members: list[Member], then: Callable[[Any], None]) -> None:
        """Note a call of the host, and who takes its answer."""
        if not self.calls:
            self._began = time.monotonic()
        self.calls.append(_Call(method, members, then))

    def answer(self) -> None:
        """Take the answer to the oldest call.

        Raises:
            HostLostError: The host is gone.
        """
        with self.fetches.timed() if self.calls[0].method == "states" else nullcontext():
            result = self.host.result()
        now = time.monotonic()
        self._answered, took, self._began = True, now - self._began, now
        call = self.calls.popleft()
        if call.method == "advance" and call.members:
            each = took / len(call.members)
            shape = call.members[0].shape
            self._usual[shape] = max(self._usual.get(shape, 0.0), each)
        call.then(result)

    def measured(self, seconds: float, slots: int, expected: float | None) -> None:
        """Note how long a stretch took.

        Args:
            seconds: CPU seconds in all.
            slots: How many.
            expected: Seconds of a slot on a usual host, where that is known.
        """
        if expected is not None:
            self._spent = _FORGET * self._spent + seconds
            self._expected = _FORGET * self._expected + expected * slots

    def patience_s(self) -> float | None:
        """Seconds until it counts as hanging, 0 or less where it does; None where nobody knows how long it may take."""
        if not self.calls or self.host.lag > 0.0:
            return None
        members = self.calls[0].members
        known = [self._usual[member.shape] for member in members if member.shape in self._usual]
        if len(known) < len(members):
            return None
        patience = max(HANGS_S, _HANGS_TIMES * sum(known)) + (0.0 if self._answered else _START_S)
        return patience - self.silent_s


def _forget(_: Any) -> None:
    """Of a call that nobody waits for any more."""
