"""Mean, deviation and range of a column of numbers that come a chunk at a time, in bounded memory."""

import math
from typing import NamedTuple

import numpy as np

_MOST_ENDS = 1 << 16
_LEAST_WAITING = 1 << 13  # a sort of few numbers costs mostly the call
_BLOCK = 1 << 14  # numbers that are learnt from at once
_ROUNDING = 1e-13  # of the largest: what computing in float64 leaves of equal numbers differs by less


class Range(NamedTuple):
    """From where to where a column's numbers are clipped."""

    low: float
    high: float

    @property
    def is_point(self) -> bool:
        """Whether all numbers in it are the same but for rounding."""
        return self.high - self.low <= _ROUNDING * max(abs(self.low), abs(self.high))


class Moments:
    """Mean and variance of numbers (Chan, Golub & LeVeque 1983, eq. 2.1), to the last bit whatever the chunks.

    Attributes:
        range: Of all numbers that were taken.
    """

    def __init__(self) -> None:
        self.count = self.missing = 0
        self.mean = self._squares = 0.0
        self.range = Range(math.inf, -math.inf)
        self._rest = np.empty(0)

    def take(self, values: np.ndarray) -> None:
        """Take numbers [N], NaN where missing."""
        there = values[~np.isnan(values)]
        self.missing += len(values) - len(there)
        if not len(there):
            return
        self.range = Range(min(self.range.low, float(there.min())), max(self.range.high, float(there.max())))
        there = np.concatenate([self._rest, there])
        whole = len(there) - len(there) % _BLOCK
        for start in range(0, whole, _BLOCK):
            self._learn(there[start : start + _BLOCK])
        self._rest = there[whole:].copy()

    def finish(self) -> Range | None:
        """All are taken; from where to where they are clipped, which only now is known.

        Numbers that are all the same are clipped to what they are: nothing was learnt of others.
        """
        self._learn(self._rest)
        self._rest = np.empty(0)
        return self.range if self.count and self.range.is_point else None

    @property
    def std(self) -> float:
        """Of the population; 1 where all numbers are the same but for rounding."""
        if self.range.is_point:
            return 1.0
        return float(np.sqrt(self._squares / self.count)) or self.range.high - self.range.low  # squares can underflow

    def _learn(self, values: np.ndarray) -> None:
        if not len(values):
            return
        count, mean = len(values), float(values.mean())
        shift, whole = mean - self.mean, self.count + count
        self._squares += float(np.square(values - mean).sum()) + shift * shift * self.count * count / whole
        self.mean += shift * count / whole
        self.count = whole


class ClippedMoments(Moments):
    """Mean and variance of numbers that are clipped between two of their quantiles, which the end alone can tell.

    As many of the lowest and of the highest are kept as the quantiles can lie among; what lies between is counted and
    forgotten. So quantiles are exact, except where the ends of a column would be more than 65,536 numbers (with 0.1 %
    at each end of more than 32 million rows): then one number in several, evenly, stands for all.

    Args:
        rows: At most so many numbers are taken.
        low: The lower quantile.
        high: The upper one.
    """

    def __init__(self, rows: int, low: float, high: float) -> None:
        super().__init__()
        self._low, self._high = low, high
        self._each = max(1, math.ceil(sum(self._ends(rows)) / _MOST_ENDS))
        self._skip = 0  # of the next numbers, until one is taken
        self._lowest, self._highest = self._ends(math.ceil(rows / self._each))
        self._above, self._below = math.inf, -math.inf  # from there to there nothing can be at an end any more
        self._waiting: list[np.ndarray] = []
        self._most = max(_LEAST_WAITING, 2 * (self._lowest + self._highest))

    def _learn(self, values: np.ndarray) -> None:
        chosen = values[self._skip :: self._each]
        self._skip = (self._skip - len(values)) % self._each
        between = (chosen >= self._above) & (chosen <= self._below)
        super()._learn(chosen[between])
        self._waiting.append(chosen[~between])
        if sum(map(len, self._waiting)) > self._most:
            self._sort_out()

    def finish(self) -> Range | None:
        """See `Moments`: the quantiles; where all numbers would become the same, the range of them all."""
        super().finish()
        ends = np.sort(np.concatenate([*self._waiting, np.empty(0)]))
        self._waiting = []
        if not len(ends):
            return None
        found = Range(self._quantile(ends, self._low), self._quantile(ends, self._high))
        self.range = self.range if found.is_point else found
        super()._learn(ends.clip(*self.range))
        return self.range

    def _ends(self, rows: int) -> tuple[int, int]:
        """How many of the lowest and of the highest of so many numbers, or fewer, the quantiles can lie among."""
        last = max(rows - 1, 0)
        return math.floor(self._low * last) + 2, last + 1 - math.floor(self._high * last)

    def _sort_out(self) -> None:
        values = np.sort(np.concatenate(self._waiting))
        lowest, between, highest = np.split(values, [self._lowest, len(values) - self._highest])
        super()._learn(between)
        self._above, self._below = float(lowest[-1]), float(highest[0])
        self._waiting = [lowest.copy(), highest.copy()]  # a view would keep all of them

    def _quantile(self, ends: np.ndarray, quantile: float) -> float:
        """As numpy has it, linear between two numbers, of all numbers in order: `ends` lie at both ends of them."""
        every = self.count + len(ends)
        place = quantile * (every - 1)
        first = math.floor(place)
        one, next_ = (float(ends[it if it < self._lowest else it - every]) for it in (first, min(first + 1, every - 1)))
        return float(np.interp(place - first, (0.0, 1.0), (one, next_)))
