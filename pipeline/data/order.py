"""The order of the rows: a permutation that is computed where it is looked at, and kept nowhere.

A list of row numbers takes eight bytes a row, and memory must not grow with the rows. A Feistel network over the row
numbers is a permutation whatever its round function (Luby & Rackoff 1988); numbers beyond the last row are sent
through it again until they fall inside, which keeps it one (cycle walking: Black & Rogaway 2002, "Ciphers with
arbitrary finite domains").
"""

from collections.abc import Sequence

import numpy as np

_ROUNDS = 8
_MIX = (0x7FEB352D, 0x846CA68B)  # the multipliers of a 32-bit finaliser with low bias (Wellons, "hash-prospector")


def shuffled(rows: int, seeds: Sequence[int], start: int, stop: int) -> np.ndarray:
    """Row numbers at some places of random orders.

    Args:
        rows: How many there are, below 2^32.
        seeds: Of the S orders, each below 2^64.
        start: First place, from 0.
        stop: Behind the last place, at most `rows`.

    Returns:
        int64 [S, stop - start], no number twice in an order.
    """
    bits = max((rows - 1).bit_length(), 2)
    low = bits // 2
    # All orders at a time: for few rows a call costs more than what it computes.
    keys = np.stack([np.random.SeedSequence(seed).generate_state(_ROUNDS) for seed in seeds], 1)  # [rounds, S]
    places = np.broadcast_to(np.arange(start, stop, dtype=np.uint32), (len(seeds), stop - start))
    found = _encrypted(places, keys[:, :, None], low, bits - low)
    while (outside := found >= rows).any():
        order, _ = np.nonzero(outside)
        found[outside] = _encrypted(found[outside], keys[:, order], low, bits - low)
    return found.astype(np.int64)


def _encrypted(numbers: np.ndarray, keys: np.ndarray, low: int, high: int) -> np.ndarray:
    """Numbers below 2^(low + high), each to another one: the halves take turns in changing each other.

    Args:
        numbers: Of any shape.
        keys: One a round, of a shape that goes with that of the numbers.
        low: Bits of the lower half.
        high: Bits of the higher half.
    """
    right, left = numbers & np.uint32((1 << low) - 1), numbers >> np.uint32(low)
    masks = np.uint32((1 << low) - 1), np.uint32((1 << high) - 1)
    for turn, key in enumerate(keys):
        if turn % 2:
            right = right ^ (_mixed(left, key) & masks[0])
        else:
            left = left ^ (_mixed(right, key) & masks[1])
    return (left << np.uint32(low)) | right


def _mixed(numbers: np.ndarray, key: np.ndarray) -> np.ndarray:
    x = numbers ^ key
    x = (x ^ (x >> np.uint32(16))) * np.uint32(_MIX[0])
    x = (x ^ (x >> np.uint32(15))) * np.uint32(_MIX[1])
    return x ^ (x >> np.uint32(16))
