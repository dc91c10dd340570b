"""Who trains where: slots dealt to processes so that all are done at the same time, and cut into stacks."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import Any

from pipeline.training.slot import Slot

_ALMOST = 0.999  # sums are rounded: a slot must not go to and fro for ever

Shares = list[list[Slot]]
"""The slots of each process."""

Cost = Callable[[Slot], float]
"""Seconds that a stretch of a slot takes."""

Shape = Callable[[Slot], Any]
"""What the slots of a stack have in common, as `Slot.shape` says."""


def balanced(shares: Shares, lags: Sequence[float], cost: Cost) -> Shares:
    """Move slots, as few as possible, until no move would let a stretch end sooner.

    One slot after the other goes from the process that is done last to the one that is done first, each time the one
    that evens out the two best.

    Args:
        shares: As things are; a new list is answered.
        lags: Seconds until each process can begin.
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
    """Seconds until a stretch ends everywhere."""
    return max((done for done, share in zip(_done(shares, lags, cost), shares, strict=True) if share), default=0.0)


def blocks(share: Sequence[Slot], most: int, shape: Shape = Slot.shape) -> list[list[Slot]]:
    """A process's slots as stacks: each of one shape, as even as they go, none larger than `most` or than asked for."""
    found = []
    for _, group in groupby(sorted(share, key=shape), key=shape):
        alike = list(group)
        wanted = alike[0].experiment.slots
        count = math.ceil(len(alike) / (most if wanted == "auto" else wanted))
        edges = [len(alike) * part // count for part in range(count + 1)]
        found += [alike[start:end] for start, end in pairwise(edges)]
    return found


def _done(shares: Shares, lags: Sequence[float], cost: Cost) -> list[float]:
    return [lag + sum(map(cost, share)) for lag, share in zip(lags, shares, strict=True)]
