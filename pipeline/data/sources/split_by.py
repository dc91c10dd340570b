"""By which column rows are split: groups, times, or the split itself, read a batch at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.config.sources import SplitBy
from pipeline.data.encodings.values import canonical, type_of
from pipeline.data.sources.base import SPLITS
from pipeline.data.sources.labels import Growing
from pipeline.data.tables.typed import TableFile, is_text, place_of, refuse
from pipeline.errors import UserError

WORDS = {"train": 0, "training": 0, "validation": 1, "val": 1, "valid": 1, "dev": 1, "test": 2, "testing": 2}
"""What may stand for a split, and its place in `SPLITS`."""


class SplitReader:
    """Gathers what `Part` wants to know of every row.

    Args:
        settings: Which column, if any.
        kind: What it is read as.
    """

    def __init__(self, settings: SplitBy, kind: pa.DataType) -> None:
        self._settings = settings
        self.columns = {settings.by: kind} if settings.by else {}
        self._values = Growing(np.int8 if settings.split else np.int64)

    @classmethod
    def of(cls, settings: SplitBy, file: TableFile) -> "SplitReader":
        """The reader of a table; times are read as what the table says that they are.

        Raises:
            UserError: The times are text that is no date.
        """
        kind: pa.DataType = pa.string()
        if settings.time and settings.time in file.types:
            kind = file.types[settings.time]
            if is_text(kind):
                raise UserError(
                    f"{file.path}: column '{settings.time}' holds no times that can be ordered: "
                    "write them as 2024-05-31, 2024-05-31 12:00:00, or as numbers"
                )
        return cls(settings, kind)

    def take(self, path: Path, done: int, batch: pa.RecordBatch) -> None:
        """The next rows.

        Raises:
            UserError: A value is missing, or names no split.
        """
        by = self._settings.by
        if by is None:
            return
        column = batch.column(by)
        refuse(path, done, column.is_null().to_numpy(zero_copy_only=False), by, "missing, and rows are split by it")
        if self._settings.split:
            self._values.take(_splits(path, done, by, column))
        elif self._settings.group:
            self._values.take(_groups(column))
        else:
            self._values.take(_times(column))

    def found(self) -> dict[str, Any]:
        """The arguments of `Part`."""
        if self._settings.by is None:
            return {}
        name = "split" if self._settings.split else "group" if self._settings.group else "time"
        return {name: self._values.array()}


def _splits(path: Path, done: int, by: str, column: pa.Array) -> np.ndarray:
    words = [word.strip().lower() for word in column.to_pylist()]
    for row, word in enumerate(words):
        if word not in WORDS:
            raise UserError(f"{place_of(path, done, row, by)}: '{word}' is no split; they are {', '.join(SPLITS)}")
    return np.array([WORDS[word] for word in words], np.int8)


def _groups(column: pa.Array) -> np.ndarray:
    """64-bit hashes, alike for 1 and 1.0: one pair in some 10^19 is taken for one group by mistake."""
    from pandas.util import hash_array  # half a second, and most tables have no groups

    found = column.dictionary_encode()
    words = [canonical(word, type_of([word])) for word in found.dictionary.to_pylist()]
    return hash_array(np.array(words, object), categorize=False).view(np.int64)[found.indices.to_numpy()]


def _times(column: pa.Array) -> np.ndarray:
    """Whole numbers that grow with time: microseconds of dates, millionths of numbers."""
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return column.to_numpy(zero_copy_only=False)
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.round(values * 1e6).astype(np.int64)
