"""What follows from the jobs: the gain by size over tables, and how many trials a table of so many rows is worth."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.gains.job import FEW, MANY
from benchmarks.gains.tables import SIZES
from pipeline.config.decision import DecisionSettings

LEAST_TABLES = 10
MATTERS = 100 * DecisionSettings().margin
"""Points: the product's own margin, up to which a difference does not matter."""

_LEVEL = 0.95
_COSTS = ("written_s", "tuning_s", "cpu_s")


def over_tables(jobs: pd.DataFrame, rows: int) -> pd.DataFrame:
    """What each table of a size gains, the mean over its draws: by none, few and many trials a replicate, in points."""
    gains = jobs[jobs["rows"] == rows].groupby("table", sort=False)[["gain_few", "gain"]].mean()
    return pd.DataFrame({0: 0.0, FEW: gains["gain_few"], MANY: gains["gain"]})


def interval(gains: pd.Series) -> tuple[float, float, float]:
    """Mean over tables, and its interval by Student's t: tables are the unit."""
    half = np.inf if len(gains) < 2 else stats.t.ppf((1 + _LEVEL) / 2, len(gains) - 1) * gains.sem()
    return gains.mean(), gains.mean() - half, gains.mean() + half


def enough(jobs: pd.DataFrame, rows: int) -> int | None:
    """The fewest trials a replicate to which many add surely less than what matters; None where too few tables tell."""
    gains = over_tables(jobs, rows)
    if len(gains) < LEAST_TABLES:
        return None
    return next(it for it in gains if it == MANY or interval(gains[MANY] - gains[it])[2] < MATTERS)


def by_size(jobs: pd.DataFrame) -> pd.DataFrame:
    """The table that is printed, a row a size; CPU seconds are medians over jobs."""
    found = []
    for rows, own in jobs.groupby("rows"):
        gains = over_tables(jobs, int(str(rows)))
        told = {"gain": gains[MANY], f"gain by {FEW}": gains[FEW], "more": gains[MANY] - gains[FEW]}
        shown = {name: "{:+.2f} [{:+.2f}, {:+.2f}]".format(*interval(it)) for name, it in told.items()}
        share = f"{(gains[MANY] > 0).sum()} of {len(gains)}"
        delta = own.groupby("table")["delta_m"].mean().mean()
        costs = own[list(_COSTS)].median().round(1)
        found.append({"rows": rows, "jobs": len(own), **shown, "gaining": share, "delta_m": f"{delta:+.2f}", **costs})
    return pd.DataFrame(found)


def checks(jobs: pd.DataFrame, asked: int, drafted: dict[int, int]) -> Iterator[tuple[str, bool]]:
    """What is asked, in words with what was found, and whether it holds.

    Args:
        jobs: Those that have a row.
        asked: How many there should be.
        drafted: Trials a replicate that a draft gives to a table, by rows.
    """
    yield f"{len(jobs)} of {asked} jobs are there", len(jobs) == asked
    for rows in SIZES:
        worth = enough(jobs, rows)
        told = f"too few tables (of {LEAST_TABLES}) tell" if worth is None else f"{worth} are enough"
        yield f"{rows:,} rows: {told}, a draft gives {drafted[rows]} trials a replicate", worth == drafted[rows]
