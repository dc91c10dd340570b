"""Which worker trains which slots: shares that are done at the same time, cut into stacks."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import Any

from pipeline.training.slot import Slot

_ALMOST = 0.999  # sums are rounded: a slot must not go to and fro for ever

Shares = list[list[Slot]]
"""The slots of each worker."""

Cost = Callable[[Slot], float]
"""Seconds that a slot takes up to its next validation."""

Shape = Callable[[Slot], Any]
"""What the slots of a stack have in common, see `Slot.shape`."""


def balanced(shares: Shares, lags: Sequence[float], cost: Cost) -> Shares:
    """Move slots, as few as possible, until no move would bring the next validation forward.

    One slot after the other goes from the worker that is done last to the one that is done first, each time the one
    that evens out the two best.

    Args:
        shares: The current ones, which stay as they are.
        lags: Seconds until each worker can begin.
        cost: Of each slot.
    """
    shares = [list(share) for share in shares]
    while True:
        done = _done(shares, lags, cost)
        last = max((place for place, share in enumerate(shares) if share), key=lambda place: done[place], default=0)
        first = min(range(len(shares)), key=lambda place: done[place])
        gap = done[last] - done[first]
        fitting = [slot for slot in shares[last] if 0.0 < cost(slot) < _ALMOST * gap]
        if not fitting:
            return shares
        moved = min(reversed(fitting), key=lambda slot: abs(cost(slot) - gap / 2))
        shares[last].remove(moved)
        shares[first].append(moved)


def makespan(shares: Shares, lags: Sequence[float], cost: Cost) -> float:
    """Seconds until every worker is done."""
    return max((done for done, share in zip(_done(shares, lags, cost), shares, strict=True) if share), default=0.0)


def blocks(share: Sequence[Slot], most: int, shape: Shape = Slot.shape) -> list[list[Slot]]:
    """A worker's slots as stacks: each of one shape, as even as they go, none larger than `most` or `slots`."""
    stacks = []
    for _, group in groupby(sorted(share, key=shape), key=shape):
        alike = list(group)
        wanted = alike[0].experiment.slots
        size = most if wanted == "auto" else wanted
        for part in _sharing_batches(alike, size):
            count = math.ceil(len(part) / size)
            edges = [len(part) * number // count for number in range(count + 1)]
            stacks += [part[start:end] for start, end in pairwise(edges)]
    return stacks


def _sharing_batches(alike: list[Slot], size: int) -> list[list[Slot]]:
    """Slots of one shape, cut where they see other rows: those apart that share each batch and fill half a stack.

    A batch of all slots is gathered once; but a few slots train faster beside others than by themselves.
    """
    if len({(slot.replicate, slot.fold) for slot in alike}) == 1:
        return [alike]
    by_batches: dict[Any, list[Slot]] = {}
    for slot in alike:
        by_batches.setdefault((slot.replicate, slot.fold, slot.data_stream), []).append(slot)
    filled = [part for part in by_batches.values() if len(part) > 1 and 2 * len(part) >= size]
    rest = [slot for part in by_batches.values() if part not in filled for slot in part]
    return [*filled, rest] if rest else filled


def _done(shares: Shares, lags: Sequence[float], cost: Cost) -> list[float]:
    return [lag + sum(map(cost, share)) for lag, share in zip(lags, shares, strict=True)]
