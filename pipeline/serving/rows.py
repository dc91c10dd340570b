"""The rows that a model reads, as a caller gives them: a frame with the columns of pixels, of a table, or of text.

Legend of shapes: B rows, F values of a row.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipeline.data.encodings.rows import RowError, encoded, too_large
from pipeline.data.tables import pixel_columns
from pipeline.data.tables.columns import some
from pipeline.serving.specification import SourceSpec

TEXT = "text"
"""The one column of text."""


@dataclass(frozen=True)
class Rows:
    """What the rows of a source look like from outside; sources that look alike are equal.

    Attributes:
        kind: `pixels`, `table` or `text`.
        columns: That a frame must have.
        name: Of a table or of text that of the source: each is encoded in its own way.
        source: It, or one of those that look alike.
    """

    kind: str
    columns: tuple[str, ...]
    name: str
    source: SourceSpec = field(compare=False)

    @classmethod
    def of(cls, name: str, source: SourceSpec) -> "Rows":
        """Those of a source."""
        if source.kind == "pixels":
            return cls(source.kind, tuple(pixel_columns(math.prod(source.shape))), "", source)
        columns = (
            [it["name"] for it in (source.encoding or {}).get("columns", [])] if source.kind == "table" else [TEXT]
        )
        return cls(source.kind, tuple(columns), name, source)

    def check(self, frame: pd.DataFrame) -> None:
        """Check a frame's columns; a table may have others, which are no inputs.

        Raises:
            ValueError: A column is missing, unknown, or there twice.
        """
        if missing := [name for name in self.columns if name not in frame.columns]:
            raise ValueError(f"{_named(missing)} missing: {self._shown}")
        if frame.columns.duplicated().any():
            raise ValueError(f"{_named(list(frame.columns[frame.columns.duplicated()]))} there twice: {self._shown}")
        unknown = [str(name) for name in frame.columns.difference(self.columns, sort=False)]
        if unknown and self.kind != "table":
            raise ValueError(f"{_named(unknown)} unknown: {self._shown}")

    def values(self, frame: pd.DataFrame, first: int) -> np.ndarray:
        """A frame of pixels or of a table as a network takes it, float32 [B, F].

        Args:
            frame: With these columns, in any order.
            first: Number of its first row, for messages.

        Raises:
            RowError: A value is no number, or no finite one; of pixels also a missing one.
        """
        if self.source.encoding is None:
            return _pixels(frame[list(self.columns)], first)
        try:
            return encoded(
                self.source.encoding["columns"],
                len(frame),
                numbers=lambda name: _numbers(frame[name]),
                codes=lambda name, known: _codes(frame[name], known),
            )
        except RowError as error:
            raise RowError(first + error.row, error.what) from None

    @property
    def _shown(self) -> str:
        first, last = self.columns[0], self.columns[-1]
        if self.kind == "text":
            return f"the one column is {first}"
        return f"the columns are {', '.join(self.columns) if self.kind == 'table' else f'{first} to {last}'}"


def _pixels(frame: pd.DataFrame, first: int) -> np.ndarray:
    for name, dtype in frame.dtypes.items():
        if dtype.kind not in "biuf":
            raise ValueError(f"column '{name}' holds no numbers but {dtype}")
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused below
        values = frame.to_numpy(dtype=np.float32, na_value=np.nan)
    if not (finite := np.isfinite(values)).all():
        row, column = map(int, np.argwhere(~finite)[0])
        found = frame.iat[row, column]
        raise RowError(first + row, f"column '{frame.columns[column]}': {found} is no finite number")
    return np.require(values, requirements=["C", "W"])  # pandas hands out read-only arrays


def _numbers(values: pd.Series) -> np.ndarray:
    """float64, NaN where missing."""
    try:
        found = pd.to_numeric(values, errors="coerce")
    except OverflowError:  # a whole number beyond float64, which is infinite when read from its digits
        found = pd.to_numeric(values.astype(str), errors="coerce")
    numbers: np.ndarray = found.to_numpy(np.float64, na_value=np.nan)
    wrong = too_large(numbers) | (np.isnan(numbers) & values.notna().to_numpy())
    if wrong.any():
        row = int(np.argmax(wrong))
        found_ = values.iloc[[row]].tolist()[0]
        raise RowError(row, f"column '{values.name}': {found_!r} is no finite number")
    return numbers


def _codes(values: pd.Series, known: Sequence[str]) -> np.ndarray:
    """Places among the known values from 1; 0 where missing or unknown."""
    places = {word: place for place, word in enumerate(known, 1)}
    each, different = pd.factorize(values.astype(object))
    codes = np.array([places.get(_word(value), 0) for value in different] + [0])
    return codes[each]  # a missing one has the place -1, the last


def _word(value: object) -> str:
    """A value as tables are read: whole numbers without a point."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _named(names: Sequence[str]) -> str:
    """The first few of many columns, with their verb."""
    return f"{'column' if len(names) == 1 else 'columns'} {some(names)} {'is' if len(names) == 1 else 'are'}"
