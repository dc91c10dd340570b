"""Which host trains which slots: shares that are done at the same time, cut into stacks."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import Any, TypeVar

from pipeline.training.slot import Slot

_ALMOST = 0.999  # sums are rounded: a slot must not go to and fro for ever

T = TypeVar("T")
"""A slot, or what stands for one."""

Shares = list[list[T]]
"""The slots of each host."""

Cost = Callable[[T], float]
"""Seconds that a slot takes, on a host of usual speed, until it has to wait."""

Shape = Callable[[Slot], Any]
"""What the slots of a stack have in common, see `Slot.shape`."""


def balanced(
    shares: Shares[T], lags: Sequence[float], cost: Cost[T], slowness: Sequence[float] | None = None
) -> Shares[T]:
    """Move slots, as few as possible, until no move would let the hosts be done sooner.

    One slot after the other goes from the host that is done last to the one that is done first, each time the one
    that evens out the two best.

    Args:
        shares: The current ones, which stay as they are.
        lags: Seconds until each host can begin.
        cost: Of each slot.
        slowness: How much longer each host takes than a usual one; by default 1.
    """
    shares, slowness = [list(share) for share in shares], slowness or [1.0] * len(shares)
    done = _done(shares, lags, cost, slowness)
    while True:
        last = max((place for place, share in enumerate(shares) if share), key=lambda place: done[place], default=0)
        first = min(range(len(shares)), key=lambda place: done[place])
        gap, both = done[last] - done[first], slowness[last] + slowness[first]
        fitting = [slot for slot in shares[last] if 0.0 < cost(slot) * slowness[first] < _ALMOST * gap]
        if not fitting:
            return shares
        moved = min(reversed(fitting), key=lambda slot: abs(cost(slot) - gap / both))
        shares[last].remove(moved)
        shares[first].append(moved)
        for place in (last, first):
            done[place] = lags[place] + slowness[place] * sum(map(cost, shares[place]))


def makespan(shares: Shares[T], lags: Sequence[float], cost: Cost[T], slowness: Sequence[float] | None = None) -> float:
    """Seconds until every host is done."""
    done = _done(shares, lags, cost, slowness or [1.0] * len(shares))
    return max((it for it, share in zip(done, shares, strict=True) if share), default=0.0)


def blocks(share: Sequence[Slot], most: int, shape: Shape = Slot.shape, limit: int | None = None) -> list[list[Slot]]:
    """A host's slots as stacks: each of one shape, as even as they go, none larger than `most` or `slots`.

    Args:
        share: The slots.
        most: In a stack, where the experiment leaves it open.
        shape: What those of a stack have in common.
        limit: In a stack, whatever the experiment says.
    """
    stacks = []
    for _, group in groupby(sorted(share, key=shape), key=shape):
        alike = list(group)
        wanted = alike[0].experiment.slots
        size = min(most if wanted == "auto" else wanted, limit or len(alike))
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


def _done(shares: Shares[T], lags: Sequence[float], cost: Cost[T], slowness: Sequence[float]) -> list[float]:
    return [lag + slow * sum(map(cost, share)) for lag, share, slow in zip(lags, shares, slowness, strict=True)]
