"""One standard error of everything that is compared: that of the test rows and that of the trainings, added.

se^2 = variance of the mean under resampling of the test rows (bootstrap, Efron 1979, Annals of Statistics 7; whole
groups where the source has them) + variance between replicates (or seeds) / their number. Degrees of freedom after
Welch (1947, Biometrika 34) and Satterthwaite (1946, Biometrics Bulletin 2); two-sided Student t.

Where every row tests it is the same sum, over all tested rows and over replicates with folds of their own. These share
training rows, so that the variance between them knows little of what a whole other sample would change, and no estimate
from one sample does (Bengio and Grandvalet 2004, JMLR 5; Bates, Hastie and Tibshirani, arXiv 2104.00673). But folds are
of other rows, so that the variance between replicates holds that of the rows once more, with two repeats half of it:
this is what covers the rest, as `benchmarks.coverage` and `benchmarks.truth` measure. A factor for shared rows in its
place (Nadeau and Bengio 2003, Machine Learning 52) gives intervals as wide as those of one split.

Shapes: K seeds, N rows, G groups of rows, R resamples, M columns.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

LEVEL = 0.95
"""Coverage of every interval, unless another is asked for."""

RESAMPLES = 2000

_SAME = 1e-9  # what rounding may make of equals, as a share
_HELD = 1 << 20  # row numbers in memory at a time
_FEW = 4  # times as many rows as distinct ones: then these are drawn

Verdict = Literal["better", "worse", "unclear"]
Knows = Literal["rows and trainings", "rows", "trainings", "nothing"]
Bounds = tuple[float, float]

UNBOUNDED: Bounds = (-math.inf, math.inf)


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
class Part:
    """One source of what is not known.

    Attributes:
        variance: That it adds to the mean's.
        df: Degrees of freedom of that variance, at least 1.
    """

    variance: float
    df: float


@dataclass(frozen=True)
class Estimate:
    """A mean and its standard error.

    Attributes:
        mean: Over seeds.
        rows_var: Its variance under resampling of the rows; NaN where rows have no value of their own.
        between_var: Its variance by that between seeds, already divided by their number; NaN with fewer than two.
        df: Degrees of freedom of both together; NaN where neither is known.
        num_seeds: K; of a difference that of the side with fewer.
        bounds: What a value may be: no interval passes them.
        left_out: How many of the K say nothing: a fold that lacks a class has no AUC.
    """

    mean: float
    rows_var: float
    between_var: float
    df: float
    num_seeds: int
    bounds: Bounds = UNBOUNDED
    left_out: int = 0

    @classmethod
    def of(
        cls,
        mean: float,
        rows: Sequence[Part | None],
        between: Sequence[Part | None],
        num_seeds: int,
        bounds: Bounds = UNBOUNDED,
        left_out: int = 0,
    ) -> "Estimate":
        """From independent parts of its variance, None for those that are not known."""
        by_rows, by_seeds = ([part for part in parts if part is not None] for parts in (rows, between))
        df = welch_satterthwaite(by_rows + by_seeds)
        return cls(mean, _sum(by_rows), _sum(by_seeds), df, num_seeds, bounds, left_out)

    @classmethod
    def over_seeds(cls, values: np.ndarray, bounds: Bounds = UNBOUNDED) -> "Estimate":
        """The mean of values [K] that know nothing of rows, of those that are known."""
        known = known_of(values)
        left_out = len(values) - len(known)
        return cls.of(float(mean_of(values)), (), [between(known)], len(values), bounds, left_out)

    @classmethod
    def of_row(cls, row: Mapping[str, Any], scale: float = 1.0) -> "Estimate":
        """From a row of a table that `pipeline.analysis.tables` made, times a number."""
        variances = (scale**2 * row["rows_var"], scale**2 * row["between_var"])
        return cls(scale * row["mean"], *variances, row["df"], int(row["num_seeds"]))

    @property
    def knows(self) -> Knows:
        """What the standard error knows of."""
        rows, trainings = (it == it for it in (self.rows_var, self.between_var))
        if rows and trainings:
            return "rows and trainings"
        return "rows" if rows else "trainings" if trainings else "nothing"

    @property
    def se(self) -> float:
        """The standard error; NaN where nothing is known."""
        known = [it for it in (self.rows_var, self.between_var) if it == it]
        return math.sqrt(sum(known)) if known else math.nan

    @property
    def p(self) -> float:
        """Of the two-sided test that the mean is 0.

        1 where it is 0 without any spread; NaN where it is another number without any, unless rows are known: a few
        seeds may agree by chance, and t knows no noise then.
        """
        from scipy.special import stdtr  # scipy.stats has it too, and takes most of a second to import

        if self.se != self.se or self.mean != self.mean:
            return math.nan
        if self.se <= _SAME * abs(self.mean):
            return 1.0 if self.mean == 0.0 else math.nan if self.knows == "trainings" else 0.0
        return float(2.0 * stdtr(self.df, -abs(self.mean) / self.se))

    def interval(self, level: float = LEVEL) -> Interval:
        """Student's t interval within the bounds; NaN where nothing is known."""
        half = quantile((1.0 + level) / 2.0, self.df) * self.se
        low, high = self.bounds
        return Interval(min(max(self.mean - half, low), high), min(max(self.mean + half, low), high))

    def verdict(self, higher_is_better: bool = True, p: float | None = None) -> Verdict:
        """Of a difference: which it is where p, or a corrected one, is below 0.05."""
        p = self.p if p is None else p
        if not p < 1.0 - LEVEL:
            return "unclear"
        return "better" if (self.mean > 0.0) == higher_is_better else "worse"


def quantile(share: float, df: float) -> float:
    """Student's t of which a share lies below; NaN for degrees of freedom that are."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(share) if df == math.inf else stdtrit(df, share))


def welch_satterthwaite(parts: Sequence[Part]) -> float:
    """Degrees of freedom of a sum of independent variances: (sum v)^2 / sum(v^2 / df); NaN of none."""
    if not parts:
        return math.nan
    total = sum(part.variance for part in parts)
    if not total > 0.0:
        return min(part.df for part in parts)
    return float(total**2 / sum(part.variance**2 / part.df for part in parts))


def between(values: np.ndarray) -> Part | None:
    """What values [K] of as many trainings tell of their mean; None for K < 2 or values that are not all finite."""
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    return Part(float(values.var(ddof=1)) / len(values), len(values) - 1)


def over_rows(resamples: np.ndarray, units: int) -> Part | None:
    """What resamples [R] of so many rows, or groups of rows, tell of a mean.

    A resample of which nothing is known (by chance it drew no labelled row) is left out; None where nearly all are, or
    where there is one row or group alone. Resampling n units knows (n - 1) / n of their variance, which is made good.
    """
    known = resamples[np.isfinite(resamples)]
    if len(known) < 2 or units < 2:
        return None
    return Part(float(known.var(ddof=1)) * units / (units - 1), units - 1)


def student(values: np.ndarray) -> Interval | None:
    """Student's t interval of the mean of values [K]; None for K < 2 or values that are not all finite."""
    return None if between(values) is None else Estimate.over_seeds(values).interval()


def holm(p: np.ndarray) -> np.ndarray:
    """P-values [N] corrected for their number (Holm 1979, Scandinavian Journal of Statistics 6); NaN is no test."""
    corrected = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return corrected


def resampled_sums(columns: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """Column sums of N rows drawn with replacement, R times.

    Of few distinct rows only how often each is drawn: a multinomial, which is the same distribution.

    Args:
        columns: Numbers [N, M]; values of one row stay together, so what they are compared by is paired.
        draws: Source of chance.

    Returns:
        Sums float64 [R, M].
    """
    columns = columns.astype(np.float64)
    rows, (distinct, counts) = len(columns), distinct_rows(columns)
    if _FEW * len(distinct) <= rows:
        shares = counts / rows
        step = max(1, _HELD // len(distinct))
        sizes = [min(step, RESAMPLES - start) for start in range(0, RESAMPLES, step)]
        return np.concatenate([draws.multinomial(rows, shares, size) @ distinct for size in sizes])
    return np.concatenate([times @ columns for times in resampled_times(rows, draws)])


def resampled_times(units: int, draws: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each of so many units is drawn with replacement, R times: some of the float64 [R, units] at a time."""
    step = max(1, _HELD // units)
    for start in range(0, RESAMPLES, step):
        drawn = draws.integers(units, size=(min(step, RESAMPLES - start), units))
        yield np.stack([np.bincount(one, minlength=units) for one in drawn]).astype(np.float64)


def distinct_rows(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ones of rows [N, M] of float64, [U, M], and how often each is there, [U]."""
    hashed = np.zeros(len(columns), dtype=np.uint64)
    factors = np.random.default_rng(0).integers(1 << 63, size=(columns.shape[1],), dtype=np.uint64) * np.uint64(2)
    for place in range(columns.shape[1]):  # bits of round numbers end in zeros: they are mixed, then summed up
        bits = np.ascontiguousarray(columns[:, place]).view(np.uint64)
        bits = (bits ^ (bits >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
        hashed += (bits ^ (bits >> np.uint64(29))) * (factors[place] + np.uint64(1))
    _, first, counts = np.unique(hashed, return_index=True, return_counts=True)
    distinct = columns[first]
    if not np.allclose(counts @ distinct, columns.sum(0), rtol=1e-9, atol=1e-9 * abs(columns).max(initial=0.0)):
        distinct, counts = np.unique(columns, axis=0, return_counts=True)  # two rows met in one hash
    return distinct, counts


def mean_of(values: np.ndarray) -> np.ndarray:
    """The mean [...] over those of the values [..., K] that are known; NaN where none is."""
    known = ~np.isnan(values)
    count = known.sum(-1)
    return np.where(known, values, 0.0).sum(-1) / np.where(count, count, np.nan)


def known_of(values: np.ndarray) -> np.ndarray:
    """Those of values [K] that are no NaN."""
    return values[~np.isnan(values)]


def _sum(parts: Sequence[Part]) -> float:
    return sum(part.variance for part in parts) if parts else math.nan
