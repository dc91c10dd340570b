"""The rows that a model reads, as a caller gives them: a frame with the columns of pixels, of a table, or of text.

Legend of shapes: B rows, F values of a row.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pipeline.data.encodings.dates import BETTER, dates_but
from pipeline.data.encodings.rows import RowError, codes_of, encoded, too_large
from pipeline.data.encodings.values import PLAIN, Codes, NumberFormat, spelled
from pipeline.data.tables import pixel_columns
from pipeline.data.tables.columns import some
from pipeline.serving.specification import SourceSpec

TEXT = "text"
"""The one column of text."""
_SHOWN = 60  # characters of a wrong value


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
                numbers=lambda name: _numbers(frame[name], self._missing, self._spelling),
                codes=lambda name: _each(frame[name], self._codes[name], 0),
                dates=lambda name: _dates(frame[name], self._missing),
                texts=lambda name: _texts(frame[name], self._missing),
            )
        except RowError as error:
            raise RowError(first + error.row, error.what) from None

    @cached_property
    def _codes(self) -> Mapping[str, Codes]:
        return codes_of(self.source.encoding or {})

    @property
    def _spelling(self) -> NumberFormat:
        return NumberFormat.of(self.source.encoding or {})

    @cached_property
    def _missing(self) -> frozenset[str]:
        """Text that marks a missing number, date or text."""
        return frozenset(["", *((self.source.encoding or {}).get("missing") or ())])

    @property
    def _shown(self) -> str:
        first, last = self.columns[0], self.columns[-1]
        if self.kind == "text":
            return f"the one column is {first}"
        return f"the columns are {', '.join(self.columns) if self.kind == 'table' else f'{first} to {last}'}"


def shown(value: Any) -> str:
    """A wrong value, of a long one the beginning."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


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


def _numbers(values: pd.Series, missing: Collection[str], spelling: NumberFormat) -> np.ndarray:
    """float64, NaN where missing."""
    if pd.api.types.is_numeric_dtype(values.dtype):  # truth values among them
        numbers: np.ndarray = values.to_numpy(np.float64, na_value=np.nan)
        if getattr(values.dtype, "numpy_dtype", values.dtype) == np.float32:  # mean what text says of them
            numbers = numbers.astype(np.float32).astype(str).astype(np.float64)
    else:
        # What is missing becomes NaN, and what spells no number infinite.
        def finite(word: str, of: NumberFormat = spelling) -> float:
            found = np.nan if word in missing else of.number(word)
            return np.inf if found is None else found

        texts = values.map(lambda it: finite(it) if isinstance(it, str) else it) if spelling.about else values
        numbers = _each(texts, lambda word: finite(word, PLAIN), np.nan).astype(np.float64)
    if gaps := spelling.numbers(missing):
        numbers = np.where(np.isin(numbers, gaps), np.nan, numbers)
    if (wrong := too_large(numbers)).any():
        row = int(np.argmax(wrong))
        raise RowError(row, f"column '{values.name}': {shown(values.iloc[[row]].tolist()[0])} is no finite number")
    return numbers


def _dates(values: pd.Series, missing: Collection[str]) -> np.ndarray:
    """Seconds since 1970, float64, NaN where missing."""
    seconds = _each(values, dates_but(missing), np.nan).astype(np.float64)
    if (wrong := np.isinf(seconds)).any():
        row = int(np.argmax(wrong))
        raise RowError(row, f"column '{values.name}': {shown(values.iloc[[row]].tolist()[0])} is no date: {BETTER}")
    return seconds


def _texts(values: pd.Series, missing: Collection[str]) -> tuple[list[str], np.ndarray]:
    """The different texts, and the place of each row's among them, -1 where missing."""
    known: dict[str, int] = {}
    places = _each(values, lambda text: -1 if text in missing else known.setdefault(text, len(known)), -1)
    return list(known), places.astype(int)


def _each(values: pd.Series, make: Callable[[str], float], missing: float) -> np.ndarray:
    """What is made of the text of each value [B]; the same value is made once."""
    made: dict[tuple[type, Any], float] = {}
    found = []
    kind = getattr(values.dtype, "numpy_dtype", values.dtype)
    # As objects, 32-bit numbers would become others of 64 bits.
    objects = values.to_numpy(kind, na_value=np.nan) if kind in (np.float16, np.float32) else values.astype(object)
    for value, gap in zip(objects, values.isna(), strict=True):
        key = (type(value), None if gap else value)  # 1, 1.0 and True are one key, but not one text
        try:
            if key not in made:
                made[key] = missing if gap else make(spelled(value))
        except TypeError:
            raise ValueError(f"column '{values.name}': {shown(value)} is neither text nor a number") from None
        found.append(made[key])
    return np.array(found)


def _named(names: Sequence[str]) -> str:
    """The first few of many columns, with their verb."""
    return f"{'column' if len(names) == 1 else 'columns'} {some(names)} {'is' if len(names) == 1 else 'are'}"
