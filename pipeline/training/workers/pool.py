"""The worker pool of a step: its hosts, and which slots each trains.

A slot may move from one host to another between two validations, with its whole state; no value changes by it. So a
host that is still starting is no hindrance, one that has lost its trials to the pruner gets others, and the slots of
one that dies are trained again elsewhere from the last states that are here.
"""

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.machine import available_memory
from pipeline.training.length import length_of
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack.layout import shapes
from pipeline.training.workers.calibration import BLOCK
from pipeline.training.workers.hosts import Engine, HostLostError
from pipeline.training.workers.load_balancing import balanced, blocks, makespan
from pipeline.training.workers.memory import check, shown, slot_memory
from pipeline.training.workers.processes import Advanced, LocalWorker, WorkerProcesses
from pipeline.training.workers.seat import Group, Member, OpenStack, Seat

_WORTH = 0.9  # a move that leaves more than this share of the time until all have to wait is not worth its disturbance
_WORTH_S = 0.1  # seconds that a move has to gain where slots do not wait anyhow
_QUEUED = 2  # stretches that a host has been called for, so that it never waits for this process
_LOST_ALONE = 3  # hosts in a row that a slot may lose by itself
_BEFORE = 0.5  # weight of what was measured before of a slot's seconds
_LOOK_S = 2.0  # from one look for hosts that hang, or are new, to the next
_NO_HOST_S = 300  # for which a pool without hosts waits for others


class WorkerPool:
    """Some hosts; this process is the first where its engine trains here.

    Args:
        processes: How many, at most.
        block: Most slots of a stack, where an experiment leaves it open.
        engine: Where the other hosts come from and stay; by default they are worker processes of the pool's own, which
            end with it.
        advance_s: A guess at the CPU seconds of a slot up to its first validation; later ones are measured.
        log: Called with a line about each host that is lost.
        here: Makes the worker in this process.
    """

    def __init__(
        self,
        processes: int,
        block: int = BLOCK,
        engine: Engine | None = None,
        advance_s: float = 1.0,
        log: Callable[[str], None] = lambda line: None,
        here: Callable[[], LocalWorker] = LocalWorker,
    ) -> None:
        self.processes, self.block = processes, block
        self._engine, self._owned = engine or WorkerProcesses(), engine is None
        self._advance_s, self._log, self._here = advance_s, log, here
        self._seats: list[Seat] = []
        self._groups: dict[Hashable, Group] = {}
        self._waiting: list[Member] = []
        self._moving: dict[Member, Seat] = {}
        self._news: list[SlotState] = []
        self._seconds: dict[Any, float] = {}
        self._usual: dict[Any, float] = {}
        self._ends: dict[Any, int] = {}
        self._opened = self._added = 0
        self._taken, self._looked = False, time.monotonic()
        self._has_lost = False  # since answers were last taken

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._owned or error:  # after an error a host may still be busy with what nobody waits for
            self._engine.close()
            return
        for seat in self._seats:
            with suppress(HostLostError):
                seat.host.call("clear")

    def hosts(self) -> int:
        """How many there are; at first they are taken from the engine."""
        if not self._taken:
            self._taken = True
            self._seats = [Seat(self._here(), self._usual, here=True)] if self._engine.trains_here else []
            hosts = self._engine.take(self.processes - len(self._seats))
            self._seats += [Seat(host, self._usual) for host in hosts]
        return len(self._seats)

    def add(
        self,
        name: Hashable,
        prepared: Prepared,
        slots: Sequence[Slot],
        states: dict[str, SlotState],
        waits: Callable[[int], bool] = lambda look: True,
    ) -> None:
        """Begin to train slots, from their states or fresh.

        Args:
            name: Of these slots together.
            prepared: The data.
            slots: Those that still run.
            states: How far each has come, fresh where missing.
            waits: Whether slots wait after a look until `go` is called; by default after each.

        Raises:
            Failure: They do not fit into memory.
        """
        self.hosts()
        self._join()
        if slots and self._engine.trains_here:
            check(prepared, slots)
        group = self._groups[name] = Group(name, self._added, prepared.read_only(), waits)
        self._added += 1
        for slot, shape in zip(slots, shapes(prepared, slots), strict=True):
            if shape not in self._ends:
                seen = prepared.view(slot.replicate, slot.fold)
                self._ends[shape] = len(length_of(seen, slot.experiment).looks)
            state = states.get(slot.name)
            looks = state.looks if state else 0
            group.members[slot.name] = Member(slot, group, shape, self._ends[shape], looks, state)
        group.passed = min((member.looks for member in group.members.values()), default=0)
        self._waiting += group.members.values()

    def advance(self) -> list[SlotState]:
        """Train until some slots have been validated once more.

        Returns:
            Their states, without arrays; empty where none can go on, or none is left.
        """
        while not self._news:
            self._deal()
            self._queue()
            stack = self._own_stack()
            if stack:
                own = self._seats[0]
                own.host.call("advance", stack.number)
                self._advancing(own, stack)
            if not self._collect(wait=stack is None):
                break
        news, self._news = self._news, []
        return news

    def go(self, name: Hashable) -> None:
        """Let slots go on that have waited for each other."""
        self._groups[name].going = True
        self._join()

    def leave(self, names: Iterable[str]) -> None:
        """Remove slots, wherever they are."""
        wanted = {*names}
        for group in self._groups.values():
            for name in wanted & group.members.keys():
                group.members[name].leaving = True
        for seat in [*self._seats]:
            for stack in [*seat.stacks.values()]:
                self._send_away(seat, stack)

    def states(self, name: Hashable) -> list[SlotState]:
        """All slots of a group with their arrays, as far as the caller knows them."""
        group, news = self._groups[name], self._news
        wanted = {member: member.looks for member in group.members.values()}
        self._news = []
        while any(it.name in group.members and it.kept < looks for it, looks in wanted.items()):
            for seat in [*self._seats]:
                self._fetch(seat, group)
            news += self.advance()  # which collects them, and trains again what was lost
        self._news = news
        running = (member.state or SlotState(member.name) for member in group.members.values())
        return [*group.done.values(), *running]

    def kept(self, name: Hashable) -> list[SlotState]:
        """The last states with arrays that are here, of the slots of a group that run; no host is waited for."""
        group = self._groups[name]
        if self._seats and self._seats[0].here:
            self._fetch(self._seats[0], group)
            while self._seats[0].calls:
                self._seats[0].answer()
        return [member.state for member in group.members.values() if member.state and not member.leaving]

    def remove(self, name: Hashable) -> list[SlotState]:
        """Forget a group, whose slots are done or were told to leave; the last states of the first, with arrays."""
        group = self._groups.pop(name)
        group.members.clear()
        return [*group.done.values()]

    # What hosts are called for.

    def _queue(self) -> None:
        """Call the other hosts for stretches of their oldest stacks."""
        for seat in [*self._seats]:
            if seat.here or sum(call.method == "advance" for call in seat.calls) >= _QUEUED:
                continue
            while sum(stack.ahead for stack in seat.stacks.values()) < _QUEUED:
                stack = _oldest(seat)
                if stack is None or not self._call(seat, "advance", stack.number):
                    break
                self._advancing(seat, stack)

    def _own_stack(self) -> OpenStack | None:
        """The stack to train in this process."""
        return _oldest(self._seats[0]) if self._seats and self._seats[0].here else None

    def _advancing(self, seat: Seat, stack: OpenStack) -> None:
        stack.ahead += 1
        seat.called("advance", [*stack.members], partial(self._advanced, seat, stack))

    def _call(self, seat: Seat, method: str, *args: Any) -> bool:
        """Begin a call; whether the host is there."""
        try:
            if seat in self._seats:
                seat.host.call(method, *args)
        except HostLostError as error:
            self._lost(seat, error)
        return seat in self._seats

    def _collect(self, wait: bool) -> bool:
        """Take answers; False where none is due from anybody.

        Raises:
            Failure: There is no host.
        """
        busy = [seat for seat in self._seats if seat.calls]
        lost, self._has_lost = self._has_lost, False
        if not busy:
            return lost or (not self._seats and self._waiting_for_hosts())
        others = {id(seat.host): seat for seat in busy if not seat.here}
        if len(others) < len(busy):
            while busy[0].calls:
                busy[0].answer()
            wait = False
        if others:
            seconds = _LOOK_S if wait else 0.0
            for host in self._engine.ready([seat.host for seat in others.values()], seconds):
                self._take(others[id(host)])
        if time.monotonic() - self._looked >= _LOOK_S:
            self._looked = time.monotonic()
            for seat in others.values():
                if seat in self._seats and (left := seat.patience_s()) is not None and left <= 0.0:
                    self._lost(seat, HostLostError(f"{seat.host.name} has not answered for {seat.silent_s:.0f} s"))
            if len(self._seats) < self.processes:
                self._join()
        return True

    def _take(self, seat: Seat) -> None:
        """Take a host's oldest answer."""
        try:
            seat.answer()
        except HostLostError as error:
            self._lost(seat, error)

    def _waiting_for_hosts(self) -> bool:
        """Wait for a host where there is none but slots to train."""
        if not any(group.members for group in self._groups.values()):
            return False
        for _ in range(_NO_HOST_S):
            self._join()
            if self._seats:
                return True
            self._engine.ready([], 1.0)
        raise Failure(f"all hosts are gone, and none has come for {_NO_HOST_S} s: --resume goes on once there are some")

    # What hosts answer.

    def _advanced(self, seat: Seat, stack: OpenStack, advanced: Advanced) -> None:
        stack.ahead -= 1
        if not advanced.states:
            return
        stack.looks += 1
        members = stack.group.members
        self._note_seconds(seat, stack.shape, advanced)
        for state in advanced.states:
            member = members.get(state.name)
            if member is None:  # its group was removed
                continue
            member.alone = 0
            if state.looks > member.looks:
                member.looks = state.looks
                self._news.append(replace(state, arrays={}))
            if state.status != "running":
                self._ended(seat, stack, state)
        self._send_away(seat, stack)
        if stack.going and not stack.ahead:
            self._release(seat, [stack])
        if not seat.here and seat.fetches.due():
            self._fetch(seat)

    def _send_away(self, seat: Seat, stack: OpenStack) -> None:
        """Call for slots to leave that were told to, once they are as far as they were then."""
        leaving = [it for it in stack.members if it.leaving and not it.asked and stack.at >= it.looks]
        if leaving and self._call(seat, "leave", [member.name for member in leaving]):
            for member in leaving:
                member.asked = True
            seat.called("leave", leaving, partial(self._left, seat, stack))

    def _left(self, seat: Seat, stack: OpenStack, states: list[SlotState]) -> None:
        for state in states:
            self._ended(seat, stack, state)

    def _ended(self, seat: Seat, stack: OpenStack, state: SlotState) -> None:
        """Keep the last state of a slot that has left its stack."""
        stack.members = [member for member in stack.members if member.name != state.name]
        stack.group.members.pop(state.name, None)
        stack.group.done[state.name] = state
        if not stack.members:
            seat.stacks.pop(stack.number, None)

    def _fetch(self, seat: Seat, group: Group | None = None) -> None:
        """Call for the states of a host's slots, or of those of a group."""
        stacks = [stack for stack in seat.stacks.values() if group in (None, stack.group)]
        if stacks and not seat.fetching and self._call(seat, "states", [stack.number for stack in stacks]):
            seat.fetching = True
            members = [member for stack in stacks for member in stack.members]
            seat.called("states", members, partial(self._fetched, seat))

    def _fetched(self, seat: Seat, states: list[SlotState]) -> None:
        seat.fetching = False
        self._keep(states)

    def _keep(self, states: list[SlotState]) -> None:
        """Keep states with their arrays."""
        by_name = {state.name: state for state in states}
        for group in self._groups.values():
            for name in by_name.keys() & group.members.keys():
                group.members[name].state = by_name[name]

    # Which host has which slots.

    def _deal(self) -> None:
        """Give slots that wait for a host to those that have nothing to do, or even out what all have to do."""
        self._settle()
        gone = [it for it in self._groups.values() if it.going and not any(m.leaving for m in it.members.values())]
        for group in gone:
            group.passed = min((member.looks for member in group.members.values()), default=group.passed)
            group.going = False
        self._waiting = [member for member in self._waiting if member.runs]
        idle = [seat for seat in self._seats if seat.idle]
        if self._waiting and idle:
            self._place(idle)
        if not self._waiting and not self._moving and (gone or idle):
            self._even_out(bool(gone))

    def _place(self, idle: list[Seat]) -> None:
        """Give waiting slots to hosts that have nothing to do, the oldest first; what others do sooner waits on."""
        waiting = sorted(self._waiting, key=lambda member: member.group.order)
        costs = {member: self._cost(member) * member.left for member in waiting}
        loads = [self._load(seat) for seat in self._seats]
        first = min(idle, key=lambda seat: loads[self._seats.index(seat)])
        start = [waiting if seat is first else [] for seat in self._seats]
        shares = balanced(start, loads, costs.__getitem__, [seat.slowness for seat in self._seats])
        for seat, share in reversed([*zip(self._seats, shares, strict=True)]):
            if seat in idle:
                self._waiting = [member for member in self._waiting if member not in share]
                self._open(seat, share)

    def _even_out(self, gone: bool) -> None:
        """Move slots where that lets all be done sooner, and merge stacks that have become small."""
        seats, slowness = [*self._seats], [seat.slowness for seat in self._seats]
        movable = [[it for it in seat.stacks.values() if not it.going and it.left] for seat in seats]
        now = [[member for stack in stacks for member in stack.members] for stacks in movable]
        costs = {
            member: self._cost(member) * stack.left
            for stacks in movable for stack in stacks for member in stack.members
        }  # fmt: skip
        lags = [self._load(seat, movable=False) for seat in seats]
        better = balanced(now, lags, costs.__getitem__, slowness)
        before, after = (makespan(shares, lags, costs.__getitem__, slowness) for shares in (now, better))
        if after > _WORTH * before or (not gone and before - after < _WORTH_S):
            better = now
        target = {member: seat for seat, share in zip(seats, better, strict=True) for member in share}
        for seat, stacks, old, new in zip(seats, movable, now, better, strict=True):
            still = [stack for stack in stacks if not stack.ahead]
            if old != new or (gone and self._are_small(still)):
                for stack in stacks:
                    if stack.ahead and all(target[member] is seat for member in stack.members):
                        continue
                    stack.going = {member: target[member] for member in stack.members}
        for seat in seats:
            self._release(seat, [stack for stack in seat.stacks.values() if stack.going and not stack.ahead])
        self._settle()

    def _are_small(self, stacks: list[OpenStack]) -> bool:
        """Whether their slots would fill fewer stacks."""
        looks = {member: stack.looks for stack in stacks for member in stack.members}
        return len(self._blocks(looks)) < len(stacks)

    def _release(self, seat: Seat, stacks: list[OpenStack]) -> None:
        """Take stacks apart, of which some slots go elsewhere."""
        going = {it: target for stack in stacks for it, target in stack.going.items() if it in stack.members}
        away = [member for member, target in going.items() if target is not seat]
        numbers = [stack.number for stack in stacks]
        if not stacks or not self._call(seat, "release", numbers, [member.name for member in away]):
            return
        for stack in stacks:
            del seat.stacks[stack.number]
            for member in stack.members:
                member.parked = stack.looks
        self._moving |= going
        seat.released += going
        seat.releasing += 1
        seat.called("release", [*going], partial(self._released, seat, away))

    def _released(self, seat: Seat, away: list[Member], states: list[SlotState]) -> None:
        self._keep(states)
        seat.releasing -= 1
        seat.released = [member for member in seat.released if member not in away]
        for member in away:
            member.parked = None

    def _settle(self) -> None:
        """Open what moves where it shall be, once all of it is out of its stacks."""
        if not self._moving or any(seat.releasing or seat.has_going for seat in self._seats):
            return
        moving, self._moving = self._moving, {}
        seats = [*self._seats]
        for seat in seats:
            seat.released = []
            self._open(seat, [member for member, target in moving.items() if target is seat and member.runs])
        self._waiting += [it for it, target in moving.items() if target not in seats and it.runs]

    def _open(self, seat: Seat, members: Sequence[Member]) -> None:
        """Add stacks to those that a host has."""
        stacks = []
        for looks, block in self._blocks({member: member.starts for member in members}):
            self._opened += 1
            stacks.append(OpenStack(self._opened, block[0].group, block[0].shape, block, looks))
            seat.stacks[self._opened] = stacks[-1]
        for group in dict.fromkeys(stack.group for stack in stacks):
            own = [stack for stack in stacks if stack.group is group]
            of_group = [member for stack in own for member in stack.members]
            states = {it.name: it.state for it in of_group if it.parked is None and it.state}
            slots = {stack.number: [member.slot for member in stack.members] for stack in own}
            if not self._call(seat, "open", group.prepared, slots, states):
                return
            seat.called("open", of_group, lambda _: None)
            for member in of_group:
                member.parked = None
            for stack in own:
                self._send_away(seat, stack)

    def _blocks(self, looks: dict[Member, int]) -> list[tuple[int, list[Member]]]:
        """Slots as stacks, by how far each has come."""
        found = []
        members = {member.name: member for member in looks}
        for (_, at, limit), alike in _grouped(looks):
            slots = blocks([it.slot for it in alike], self.block, lambda slot: members[slot.name].shape, limit or None)
            found += [(at, [members[slot.name] for slot in block]) for block in slots]
        return found

    def _cost(self, member: Member) -> float:
        """Seconds of a slot up to its next validation, on a host of usual speed."""
        return self._seconds.get(member.shape, self._advance_s)

    def _load(self, seat: Seat, movable: bool = True) -> float:
        """Seconds until a host has done what it has, or what cannot be moved any more."""
        seconds = 0.0
        for stack in seat.stacks.values():
            stretches = stack.ahead + (stack.left if movable or stack.going else 0)
            seconds += stretches * sum(map(self._cost, stack.members))
        return seat.host.lag + seat.slowness * seconds

    def _note_seconds(self, seat: Seat, shape: Any, advanced: Advanced) -> None:
        """Keep the seconds of a slot of a shape on a host, and on a usual one."""
        seat.measured(advanced.seconds, len(advanced.states), self._seconds.get(shape))
        seconds = advanced.seconds / len(advanced.states) / seat.slowness
        self._seconds[shape] = _BEFORE * self._seconds.get(shape, seconds) + (1.0 - _BEFORE) * seconds

    # Hosts that come and go.

    def _join(self) -> None:
        """Take hosts that are new, in place of those that died with nothing to do."""
        for seat in [it for it in self._seats if not it.host.alive]:
            self._lost(seat, HostLostError(f"{seat.host.name} is gone"))
        for host in self._engine.joined():
            if len(self._seats) < self.processes:
                self._seats.append(Seat(host, self._usual))

    def _lost(self, seat: Seat, error: HostLostError) -> None:
        """Let others train what a host had that is gone.

        Raises:
            Failure: A slot has lost several by itself.
        """
        if seat not in self._seats:
            return
        self._seats.remove(seat)
        self._has_lost = True
        seat.host.close()
        members = [member for member in dict.fromkeys(seat.members) if member.runs]
        busy_with = [member for member in seat.calls[0].members if member.runs] if seat.calls else []
        for stack in seat.stacks.values():
            for member in stack.members:
                member.limit = max(1, len(stack.members) // 2)
        for member in members:
            self._moving.pop(member, None)
            member.parked, member.asked = None, False
        self._waiting += members
        self._log(_said(error, members))
        if len(busy_with) == 1:
            busy_with[0].alone += 1
            if busy_with[0].alone >= _LOST_ALONE:
                raise self._too_large(busy_with[0], error)
        if len(self._seats) < self.processes:
            self._join()

    def _too_large(self, member: Member, error: HostLostError) -> Failure:
        needed = shown(slot_memory(member.group.prepared, member.slot))
        free = f" and {shown(available_memory())} are free here" if self._engine.trains_here else ""
        return Failure(
            f"{member.name} alone has lost {_LOST_ALONE} hosts in a row ({error}); it needs {needed} of memory{free}: "
            "lower training.batch_size or the network's widths"
        )


def _oldest(seat: Seat) -> OpenStack | None:
    """The stack that a host should train next."""
    runnable = [stack for stack in seat.stacks.values() if stack.runnable]
    return min(runnable, key=lambda stack: (stack.group.order, stack.at, stack.number), default=None)


def _grouped(looks: dict[Member, int]) -> Iterable[tuple[tuple[int, int, int], list[Member]]]:
    """Slots that may share a stack but for their shapes."""
    found: dict[tuple[int, int, int], list[Member]] = {}
    for member, at in looks.items():
        found.setdefault((member.group.order, at, member.limit or 0), []).append(member)
    return found.items()


def _said(error: HostLostError, members: Sequence[Member]) -> str:
    if not members:
        return f"{error}: it had no networks"
    many = f"its {len(members)} networks go" if len(members) > 1 else "its network goes"
    return f"{error}: {many} on elsewhere from epoch {min(member.kept for member in members) + 1}"
