"""A stream of rows to score."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.data.tables.columns import Columns
from pipeline.data.tables.typed import TableFile
from pipeline.errors import UserError

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Batch:
    """Some rows.

    Attributes:
        frame: The columns that the model reads; pixels as float64, as stored.
        files: Names of the files they come from, within the folder, where each has its own.
    """

    frame: pd.DataFrame
    files: list[str] | None = None


@dataclass(frozen=True)
class Rows:
    """All rows of an input.

    Attributes:
        columns: That are read, and all others.
        total: Number of rows, where it is known beforehand.
        batches: The rows in order, to be gone through once.
        warning: After all batches, what was striking about them; empty where nothing was.
        notes: What is known of them before any batch.
        file: The table that they come from, if it is one.
    """

    columns: Columns
    total: int | None
    batches: Iterator[Batch]
    warning: Callable[[], str] = str
    notes: Sequence[str] = ()
    file: TableFile | None = None


def pixels(values: np.ndarray, columns: Columns, files: list[str] | None = None) -> Batch:
    """A batch of pixels [B, F]."""
    return Batch(pd.DataFrame(values, columns=columns.pixels, copy=False), files)


def checked(path: Path, columns: Columns, arrays: Iterable[np.ndarray]) -> Iterator[Batch]:
    """Batches of checked rows, from float64 arrays [N, F].

    Raises:
        UserError: A value is missing, infinite, or too large for float32; there is no row at all.
    """
    done = 0
    for part in arrays:
        if not (fine := (part >= -_LARGEST) & (part <= _LARGEST)).all():
            row, column = np.argwhere(~fine)[0]
            where = f"row {done + row + 1}, column '{columns.pixels[column]}'"
            raise UserError(f"{path}: {where}: a value is missing or no finite number (found {part[row, column]})")
        yield pixels(part, columns)
        done += len(part)
    if not done:
        raise UserError(f"{path}: no rows")
