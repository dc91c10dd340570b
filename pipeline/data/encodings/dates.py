"""Dates as numbers: year, month, weekday, hour, day of the year, and the time itself.

Dates are written as in ISO 8601, `2024-05-31` or `2024-05-31 12:00:00`; those with a zone are taken in UTC, those
without as they are. A copy of this file goes into every model that reads dates.
"""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

FORM = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?"
"""How dates are written; `fromisoformat` reads others, too, such as 20240531."""
BETTER = "write it as 2024-05-31 or 2024-05-31 12:00:00"
_ISO = re.compile(FORM, re.ASCII | re.IGNORECASE)
_DAY = 86_400  # seconds


def moment_of(word: str) -> datetime | None:
    """A date, with a zone where one is written; None where the word is none."""
    if not _ISO.fullmatch(word := word.strip()):
        return None
    try:
        return datetime.fromisoformat(word.upper())
    except ValueError:
        return None


@lru_cache(1 << 16)
def seconds_of(word: str) -> float | None:
    """The seconds since 1970 of a date; None where the word is none.

    >>> seconds_of("1970-01-02"), seconds_of("1970-01-01T01:00+01:00"), seconds_of("31.5.2024")
    (86400.0, 0.0, None)
    """
    found = moment_of(word)
    return None if found is None else (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def dates_but(gaps: Collection[str]) -> Callable[[str], float]:
    """What makes seconds of a date's text: NaN where it marks a gap, infinite where it is no date."""
    return lambda word: np.nan if word in gaps else np.inf if (found := seconds_of(word)) is None else found


def day_of(seconds: float) -> str:
    """The date of a time in seconds since 1970."""
    return str(np.datetime64(int(np.floor(seconds)), "s").astype("datetime64[D]"))


def features_of(seconds: np.ndarray) -> dict[str, np.ndarray]:
    """What a network is told of dates.

    Args:
        seconds: Since 1970, float64 [B], NaN where missing.

    Returns:
        By name, float64 [B], NaN where missing: `year`; `month` from 1; `weekday`, 0 is Monday; `hour` with its
        fraction; `day_of_year` from 1; `days` since 1970, which standardised is the time since any other day.
    """
    missing = np.isnan(seconds)
    whole = np.floor(np.nan_to_num(seconds)).astype("datetime64[s]")
    days, months, years = (whole.astype(f"datetime64[{unit}]") for unit in "DMY")
    found = {
        "year": years.astype(int) + 1970,
        "month": months.astype(int) % 12 + 1,
        "weekday": (days.astype(int) + 3) % 7,
        "hour": np.nan_to_num(seconds) % _DAY / 3600,
        "day_of_year": (days - years.astype("datetime64[D]")).astype(int) + 1,
        "days": np.nan_to_num(seconds) / _DAY,
    }
    return {name: np.where(missing, np.nan, values) for name, values in found.items()}
