"""The encoding of a table: numbers clipped and standardised, missing ones marked, categories as codes.

Legend of shapes: B rows of a chunk; N numbers, M marks and C codes of a row, see `pipeline.data.encodings.rows`. A mark
is 1 where the number or date is missing, a code 0 for a value that is missing or that train never showed.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.encodings.dates import BETTER, features_of, seconds_of_rows
from pipeline.data.encodings.hashed_words import WIDTH
from pipeline.data.encodings.moments import ClippedMoments, Moments, Range
from pipeline.data.encodings.rows import CATEGORICAL, DATE, NUMERIC, encoded, widths
from pipeline.data.tables.typed import count, distinct, numbers, refuse
from pipeline.errors import UserError

_MOST_VALUES = 1 << 20


def types_of(kinds: Mapping[str, str]) -> dict[str, pa.DataType]:
    """What columns of these kinds are read as: float64 for numbers, text for all others."""
    return {name: pa.float64() if kind == NUMERIC else pa.string() for name, kind in kinds.items()}


def dates_of(column: pa.Array, gaps: Collection[str], path: Path, done: int, name: str) -> np.ndarray:
    """The dates of a column of text in seconds since 1970, float64 [B], NaN where missing.

    Args:
        column: As text.
        gaps: What marks missing dates.
        path: Of the table, for the error.
        done: Rows before these.
        name: Of the column.

    Raises:
        UserError: A value is no date.
    """
    words, places = distinct(column)
    found = seconds_of_rows(words.to_pylist(), places, gaps)
    if (wrong := np.isinf(found)).any():
        word = column[int(np.argmax(wrong))].as_py()
        refuse(path, done, wrong, name, f"'{word}' is no date: {BETTER}; if it marks a gap, add it to `missing`")
    return found


@dataclass(frozen=True)
class ColumnsEncoding:
    """How the columns of a table become rows.

    Attributes:
        about: `kind` table; `separator` and `missing` of its CSV files; `columns`, each with its `name` and `kind`, a
            numeric one with `mean`, `std`, `marked` and, if its numbers are clipped, `clip`, from where to where; a
            date with `marked` and `features`, each with what it is `of`, `mean`, `std` and perhaps `clip`; a text with
            `width`; a categorical one with its `values` in the order of their codes from 1; and `categories`, how
            many codes each categorical one has.
    """

    about: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N + M + C,)."""
        return (sum(map(sum, widths(self.about["columns"]))),)

    def encode(self, chunk: pa.RecordBatch) -> np.ndarray:
        """float32 [B, N + M + C]."""
        return encoded(
            self.about["columns"],
            chunk.num_rows,
            numbers=lambda name: numbers(chunk.column(name)),
            codes=lambda name, known: _codes(chunk.column(name), known),
            dates=lambda name: dates_of(chunk.column(name), self.about["missing"], Path(), 0, name),
            texts=lambda name: _texts(chunk.column(name)),
        )


@dataclass(frozen=True)
class ColumnsEncoder:
    """Fits the encoding of one table.

    Attributes:
        family: Name of the source: tables share nothing.
        path: Of the table, for messages.
        inputs: Kinds by column, in order.
        categories: Most values of a categorical column that are told apart.
        rows: The table has at most so many.
        clip: Quantiles between which numbers are clipped; None clips none.
        separator: Between the fields of a CSV file: those to be predicted are written alike.
        missing: What its fields say where a value is missing.
    """

    family: str
    path: Path
    inputs: Mapping[str, str]
    categories: int
    rows: int
    clip: tuple[float, float] | None
    separator: str = ","
    missing: tuple[str, ...] = ()

    def fit(self, chunks: Iterable[tuple[pa.RecordBatch, np.ndarray]]) -> ColumnsEncoding:
        """See `pipeline.data.sources.Encoder`.

        Raises:
            UserError: A number is infinite, a column has no value in train, or more values than categories have.
        """
        moments = {name: self._moments() for name, kind in self.inputs.items() if kind == NUMERIC}
        dates = {name: DateMoments(self._moments) for name, kind in self.inputs.items() if kind == DATE}
        values: dict[str, Counter[str]] = {name: Counter() for name, kind in self.inputs.items() if kind == CATEGORICAL}
        done = 0
        for chunk, where in chunks:
            for name, own in moments.items():
                column = numbers(chunk.column(name))
                why = "an infinite number; leave it empty if it is unknown"
                refuse(self.path, done, np.isinf(column), name, why)
                own.take(column[where])
            for name, date in dates.items():
                date.take(dates_of(chunk.column(name), self.missing, self.path, done, name)[where])
            learnt = pa.array(where)
            for name, counter in values.items():
                count(counter, chunk.column(name).filter(learnt))
                if len(counter) > _MOST_VALUES:
                    raise UserError(
                        f"{self.path}: column '{name}' has more than {_MOST_VALUES:,} different values: "
                        f"if it is an identifier, leave it out of inputs"
                    )
            done += chunk.num_rows
        fitted = {name: self._numeric(name, it) for name, it in moments.items()}
        fitted |= {name: self._date(name, it) for name, it in dates.items()}
        fitted |= {name: self._categorical(name, it) for name, it in values.items()}
        columns = [
            {"name": name, "kind": kind, **fitted.get(name, {"width": WIDTH})} for name, kind in self.inputs.items()
        ]
        codes = [len(column["values"]) + 1 for column in columns if column["kind"] == CATEGORICAL]
        file = {"separator": self.separator, "missing": list(self.missing)}
        return ColumnsEncoding({"kind": "table", **file, "columns": columns, "categories": codes})

    def _moments(self) -> Moments:
        return ClippedMoments(self.rows, *self.clip) if self.clip else Moments()

    def _numeric(self, name: str, found: Moments) -> dict[str, Any]:
        clip = found.finish()
        if not found.count:
            raise UserError(f"{self.path}: column '{name}' has no number in any row of train: leave it out of inputs")
        return {**_about(found, clip), "marked": found.missing > 0}

    def _date(self, name: str, found: "DateMoments") -> dict[str, Any]:
        features = found.varying()
        if not features:
            raise UserError(f"{self.path}: column '{name}' has no two dates in train: leave it out of inputs")
        return {"features": [{"of": of, **_about(it, it.finish())} for of, it in features.items()], "marked": found.missing > 0}

    def _categorical(self, name: str, found: Counter[str]) -> dict[str, Any]:
        if not found:
            raise UserError(f"{self.path}: column '{name}' has no value in any row of train: leave it out of inputs")
        frequent = sorted(found, key=lambda value: (-found[value], value))[: self.categories]
        return {"values": sorted(frequent)}


class DateMoments:
    """Moments of what a network is told of dates that come a chunk at a time.

    Args:
        make: Makes those of one feature.
    """

    def __init__(self, make: Callable[[], Moments]) -> None:
        self._moments: dict[str, Moments] = {}
        self._ends: dict[str, list[float]] = {}
        self._make, self.missing = make, 0

    def take(self, seconds: np.ndarray) -> None:
        """Take dates [N] in seconds since 1970, NaN where missing."""
        there = seconds[~np.isnan(seconds)]
        self.missing += len(seconds) - len(there)
        for name, values in features_of(there).items() if len(there) else ():
            self._moments.setdefault(name, self._make()).take(values)
            ends = self._ends.get(name, [])
            self._ends[name] = [min([*ends, values.min()]), max([*ends, values.max()])]

    def varying(self) -> dict[str, Moments]:
        """Of the features that are not the same in all rows."""
        return {name: it for name, it in self._moments.items() if self._ends[name][0] < self._ends[name][1]}


def _about(found: Moments, clip: Range | None) -> dict[str, Any]:
    return {"mean": found.mean, "std": found.std} | ({"clip": list(clip)} if clip else {})


def _texts(column: pa.Array) -> tuple[list[str], np.ndarray]:
    words, places = distinct(column)
    return words.to_pylist(), places


def _codes(values: pa.Array, known: Sequence[str]) -> np.ndarray:
    places = pc.index_in(values, value_set=pa.array(known, pa.string()))
    return places.fill_null(-1).to_numpy(zero_copy_only=False) + 1
