"""By which column rows are split: groups, times, or the split itself, read a batch at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.config.sources import SplitBy
from pipeline.data.encodings.dates import BETTER, seconds_of
from pipeline.data.encodings.values import canonical, type_of
from pipeline.data.sources.base import SPLITS
from pipeline.data.sources.labels import Growing
from pipeline.data.tables.typed import distinct, place_of, refuse
from pipeline.errors import UserError

_NAMES = (
    ("train", "training"),
    ("validation", "val", "valid", "validate", "dev", "development"),
    ("test", "testing", "holdout"),
)
WORDS = {
    f"{word}{end}": place
    for place, words in enumerate(_NAMES)
    for word in words
    for end in ("", "set", " set", "_set", "-set")
}
"""What may stand for a split, and its place in `SPLITS`."""


class SplitReader:
    """Gathers what `Part` wants to know of every row.

    Args:
        settings: Which column, if any.
    """

    def __init__(self, settings: SplitBy) -> None:
        self._settings = settings
        self.columns = {settings.by: pa.string()} if settings.by else {}
        self._values = Growing(np.int8 if settings.split else np.int64)

    def take(self, path: Path, done: int, batch: pa.RecordBatch) -> None:
        """The next rows.

        Raises:
            UserError: A value is missing, names no split, or is neither a date nor a number.
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
            self._values.take(_times(path, done, by, column))

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


def _times(path: Path, done: int, by: str, column: pa.Array) -> np.ndarray:
    """Whole numbers that grow with time: microseconds of dates, millionths of numbers."""
    words, places = distinct(column)
    found = np.array([_time(word) for word in words.to_pylist()])[places]
    why = f"'{column[int(np.argmax(np.isnan(found)))]}' is no time that can be ordered: {BETTER}, or as a number"
    refuse(path, done, np.isnan(found), by, why)
    return np.round(found * 1e6).astype(np.int64)


def _time(word: str) -> float:
    """A date in seconds, or a number; NaN where it is neither."""
    if (moment := seconds_of(word)) is not None:
        return moment
    try:
        return float(word)
    except ValueError:
        return float("nan")
