"""`fit`: train any number of slots, in blocks over processes, an epoch at a time for all of them."""

import os
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack import build_network
from pipeline.training.workers import Crew

Barrier = Callable[[list[SlotState]], list[str]]
"""Called after each epoch with the states of the slots that took part, in the slots' order; answers who must leave."""

_SLOTS = 8  # stacking gains little above 8
_PROCESS_WORTH = 5e11  # multiply-adds that repay the seconds that a worker process needs to start


def fit(
    crew: Crew,
    prepared: Prepared,
    slots: Sequence[Slot],
    at_barrier: Barrier,
    checkpoint: Checkpoint | None = None,
    resumed: dict[str, SlotState] | None = None,
) -> list[SlotState]:
    """Train all slots to their end.

    Neither the size of the blocks nor the number of processes changes a value.

    Args:
        crew: Where to train.
        prepared: The data, seen through the tasks that are trained.
        slots: What to train; they may be of several shapes.
        at_barrier: Called after each epoch.
        checkpoint: Written after an epoch when due.
        resumed: States to go on from.

    Returns:
        The slots' states with their arrays, in the slots' order.
    """
    states = dict(resumed or {})
    open_slots = [slot for slot in slots if slot.name not in states or states[slot.name].status == "running"]
    done = {name: state for name, state in states.items() if state.status != "running"}
    crew.open(prepared, _shares(open_slots, crew.size), states)
    order = {slot.name: place for place, slot in enumerate(slots)}
    while took_part := sorted(crew.epoch(), key=lambda state: order[state.name]):
        if leaving := at_barrier(took_part):
            crew.leave(leaving)
        if checkpoint and checkpoint.due():
            checkpoint.write([*done.values(), *crew.states()])
    done |= {state.name: state for state in crew.states()}
    if checkpoint:
        checkpoint.write(done.values())
    return [done[slot.name] for slot in slots]


def crew_for(experiment: Experiment, prepared: Prepared, together: int, in_all: int) -> Crew:
    """As many processes as asked for; with `auto` one a core where the work repays their start.

    Args:
        experiment: Says `processes` and how long to train.
        prepared: The data.
        together: Networks trained at the same time.
        in_all: Networks trained one after the other or together.
    """
    if experiment.processes != "auto":
        return Crew(min(experiment.processes, together))
    rows = sum(source.rows["train"] for source in prepared.sources.values())
    work = 3.0 * in_all * experiment.training.epochs * rows * build_network(prepared, [experiment]).count()
    return Crew(min(len(os.sched_getaffinity(0)), together) if work > _PROCESS_WORTH else 1)


def _shares(slots: Sequence[Slot], hosts: int) -> list[list[list[Slot]]]:
    """Blocks of slots of one shape, dealt out to the hosts as evenly as they go."""
    shares: list[list[list[Slot]]] = [[] for _ in range(hosts)]
    by_shape = sorted(slots, key=lambda slot: slot.shape())
    for _, group in groupby(by_shape, key=lambda slot: slot.shape()):
        alike = list(group)
        for part in _parts(alike, hosts):
            # The host with the least to do takes the next part, so that odd ones do not all fall to the first.
            lightest = min(range(hosts), key=lambda host: sum(map(len, shares[host])))
            shares[lightest] += _cut(part, _size(part))
    return shares


def _parts(slots: list[Slot], count: int) -> list[list[Slot]]:
    """Contiguous parts that differ in length by one at most; empty ones are left out."""
    edges = [len(slots) * part // count for part in range(count + 1)]
    return [slots[start:end] for start, end in pairwise(edges) if end > start]


def _cut(slots: list[Slot], size: int) -> list[list[Slot]]:
    return [slots[start : start + size] for start in range(0, len(slots), size)]


def _size(slots: list[Slot]) -> int:
    wanted = slots[0].experiment.slots
    return _SLOTS if wanted == "auto" else wanted
