"""Times as one would publish them: repeats that take turns, their median, and how far they spread."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles

import numpy as np

FEWEST, MOST = 5, 40
"""Rounds."""


@dataclass(frozen=True)
class Measured:
    """Repeats of one measurement.

    Attributes:
        median: Of the repeats.
        low: What a tenth of the repeats are below.
        high: What a tenth of the repeats are above.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, repeats: Sequence[float]) -> "Measured":
        """Two repeats or more.

        >>> Measured.of([5.0, 1.0, 2.0, 3.0, 4.0])
        Measured(median=3.0, low=1.4, high=4.6)
        """
        tenths = quantiles(repeats, n=10, method="inclusive")
        return cls(tenths[4], tenths[0], tenths[8])


def interleaved(samples: Sequence[Callable[[], float]], enough_s: float) -> list[Measured]:
    """Repeat several measurements in rounds of random order, so that what else the machine does falls on all alike.

    Args:
        samples: Each measures once and returns what it measured; its first result does not count.
        enough_s: Seconds after which no further round begins, once there are `FEWEST`.
    """
    for sample in samples:
        sample()
    order, repeats = np.random.default_rng(0), [list[float]() for _ in samples]
    began = time.monotonic()
    for done in range(MOST):
        if done >= FEWEST and time.monotonic() - began >= enough_s:
            break
        for place in order.permutation(len(samples)):
            repeats[place].append(samples[place]())
    return [Measured.of(it) for it in repeats]


def apart(one: Measured, other: Measured) -> bool:
    """Whether the spreads do not overlap: only then is anything said of which takes longer."""
    return one.high < other.low or other.high < one.low
