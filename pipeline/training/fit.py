"""`fit`: train any number of slots, in stacks over processes, from look to look for all of them."""

from collections.abc import Callable, Iterator, Sequence

from pipeline.data.prepared import Prepared
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.crew import Crew
from pipeline.training.slot import Slot, SlotState

Barrier = Callable[[list[SlotState]], list[str]]
"""Called after each look at validation with the states of the slots that took part, in the slots' order.

It answers who must leave."""


def fit(
    crew: Crew,
    prepared: Prepared,
    slots: Sequence[Slot],
    at_barrier: Barrier,
    checkpoint: Checkpoint | None = None,
    resumed: dict[str, SlotState] | None = None,
) -> list[SlotState]:
    """Train all slots to their end.

    Neither the size of the stacks nor the number of processes changes a value.

    Args:
        crew: Where to train.
        prepared: The data, seen through the tasks that are trained.
        slots: What to train; they may be of several shapes.
        at_barrier: Called after each look.
        checkpoint: Written after a look when due.
        resumed: States to go on from.

    Returns:
        The slots' states with their arrays, in the slots' order.
    """
    states = dict(resumed or {})
    open_slots = [slot for slot in slots if slot.name not in states or states[slot.name].status == "running"]
    done = {name: state for name, state in states.items() if state.status != "running"}
    crew.open(prepared, open_slots, states)
    order = {slot.name: place for place, slot in enumerate(slots)}
    while took_part := sorted(crew.advance(), key=lambda state: order[state.name]):
        if leaving := at_barrier(took_part):
            crew.leave(leaving)
        if checkpoint and checkpoint.due():
            checkpoint.write(_states(done, crew))
    done |= {state.name: state for state in crew.states()}
    if checkpoint:
        checkpoint.write(done.values())
    return [done[slot.name] for slot in slots]


def _states(done: dict[str, SlotState], crew: Crew) -> Iterator[SlotState]:
    """All states, brought here only when they are asked for."""
    yield from done.values()
    yield from crew.states()
