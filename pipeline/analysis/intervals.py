"""Intervals: Student's t over seeds, a bootstrap over rows, and the rule that the wider of the two decides.

Over seeds (Student 1908, Biometrika 6): how much would another training change the value? Over rows (Efron 1979, Annals
of Statistics 7): how much would another test split? Neither knows the other's answer.

Shapes: K seeds, N rows, R resamples, M columns.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

LEVEL = 0.95
"""Coverage of every interval."""

RESAMPLES = 2000

_SAME = 1e-9
_HELD = 1 << 20  # row numbers in memory at a time

Decider = Literal["seeds", "rows", "none"]
Verdict = Literal["better", "worse", "unclear"]


@dataclass(frozen=True)
class Interval:
    """From low to high."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """How wide it is."""
        return self.high - self.low


@dataclass(frozen=True)
class Estimate:
    """A mean and what is known of its uncertainty.

    Attributes:
        mean: Over seeds.
        seeds: The interval over seeds; None with fewer than two.
        rows: The interval over rows; None where rows have no value of their own.
        num_seeds: K.
    """

    mean: float
    seeds: Interval | None
    rows: Interval | None
    num_seeds: int

    @property
    def decider(self) -> Decider:
        """Which interval is the wider one."""
        if self.seeds is None:
            return "none" if self.rows is None else "rows"
        return "rows" if self.rows is not None and self.rows.width > self.seeds.width else "seeds"

    @property
    def interval(self) -> Interval:
        """The wider interval; NaN where there is none."""
        chosen = self.rows if self.decider == "rows" else self.seeds
        return chosen or Interval(math.nan, math.nan)

    def verdict(self, higher_is_better: bool = True) -> Verdict:
        """Of a difference: which side of zero the wider interval lies on, if on one."""
        if self.interval.low > 0.0:
            return "better" if higher_is_better else "worse"
        if self.interval.high < 0.0:
            return "worse" if higher_is_better else "better"
        return "unclear"


def student(values: np.ndarray) -> Interval | None:
    """Student's t interval of the mean of values [K]; None for K < 2 or values that are not all finite."""
    from scipy.special import stdtrit  # scipy.stats has it too, and takes most of a second to import

    count = len(values)
    if count < 2 or not np.isfinite(values).all():
        return None
    half = stdtrit(count - 1, (1.0 + LEVEL) / 2.0) * values.std(ddof=1) / math.sqrt(count)
    return Interval(float(values.mean() - half), float(values.mean() + half))


def student_p(mean: float, half: float, count: int) -> float:
    """Two-sided p-value of Student's t test that a mean is zero.

    Args:
        mean: Of the values.
        half: Half the width of their interval by `student`.
        count: How many there are, at least 2.

    Returns:
        NaN for values that are all the same but for rounding, and not zero: a few small counts may be so by chance, and
        t knows no noise then.
    """
    from scipy.special import stdtr, stdtrit  # see `student`

    if half <= _SAME * abs(mean):
        return 1.0 if mean == 0.0 else math.nan
    t = abs(mean) / half * stdtrit(count - 1, (1.0 + LEVEL) / 2.0)
    return float(2.0 * stdtr(count - 1, -t))


def percentile(samples: np.ndarray) -> Interval | None:
    """The percentile interval of bootstrap samples [R] (Efron and Tibshirani 1993, chapter 13).

    A resample of which nothing is known (by chance it drew no labelled row) is left out; None where all are.
    """
    known = samples[np.isfinite(samples)]
    if len(known) == 0:
        return None
    low, high = np.quantile(known, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return Interval(float(low), float(high))


def resampled_sums(columns: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """Column sums of N rows drawn with replacement, R times; the draws depend on N alone.

    Args:
        columns: Numbers [N, M]; values of one row stay together, so what they are compared by is paired.
        draws: Source of chance.

    Returns:
        Sums float64 [R, M].
    """
    rows, columns = len(columns), columns.astype(np.float64)
    parts = []
    step = max(1, _HELD // rows)
    for start in range(0, RESAMPLES, step):
        drawn = draws.integers(rows, size=(min(step, RESAMPLES - start), rows))
        counts = np.stack([np.bincount(one, minlength=rows) for one in drawn])
        parts.append(counts.astype(np.float64) @ columns)
    return np.concatenate(parts)
