"""The encoding of a table: numbers clipped and standardised, missing ones marked, categories as codes.

Legend of shapes: B rows of a chunk, N numeric columns, M of them with missing values in train, C categorical columns.
A row is encoded as N numbers, M marks (1 where the number is missing), and C codes (0 for a value that is missing or
that train never showed).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.data.encodings.dates import BETTER, dates_but, features_of
from pipeline.data.encodings.hashed_words import WIDTH
from pipeline.data.encodings.moments import ClippedMoments, Moments, Range
from pipeline.data.encodings.rows import CATEGORICAL, DATE, NUMERIC, codes_of, encoded, widths
from pipeline.data.encodings.values import PLAIN, Codes, NumberFormat, counted, in_order
from pipeline.data.tables.columns import some
from pipeline.data.tables.typed import count, distinct, numbers, refuse, refuse_too_large
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
    found = each(column, dates_but(gaps), np.nan)
    if (wrong := np.isinf(found)).any():
        word = column[int(np.argmax(wrong))].as_py()
        why = f"'{word}' is no date: {BETTER}, or leave it empty (`missing` lists words for gaps)"
        refuse(path, done, wrong, name, why)
    return found


def missing_in(about: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What marks missing values, as `open_table` takes it, by what an encoding knows; earlier ones say less."""
    return tuple(about["missing"]) or (None if about.get("usual", True) else ())


@dataclass(frozen=True)
class ColumnsEncoding:
    """How the columns of a table become rows.

    Attributes:
        about: `kind` table; `separator` of its CSV files; where text writes numbers in another way than with a point
            alone, `decimal` and `thousands`; `missing`, words that mark missing values, and `usual`, false
            where the usual words of CSV files do not; `columns`, each with its `name` and `kind`, a numeric one with
            `mean`, `std`, `marked` and, if its numbers are clipped, `clip`, from where to where; a date with `marked`
            and `features`, each with what it is `of`, `mean`, `std` and perhaps `clip`; a text with `width`; a
            categorical one with its `type`, its `values` in the order of their codes from 1, and `rare`, the share of
            its values in train that have no code; `categories`, the number of codes of each categorical one; and
            `empty`, columns of which train has no value, or only one date, and that are no inputs therefore.
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
            codes=lambda name: each(chunk.column(name), self._codes[name]),
            dates=lambda name: each(chunk.column(name), dates_but(self.about["missing"]), np.nan),
            texts=lambda name: _texts(chunk.column(name), self.about["missing"]),
        )

    @cached_property
    def _codes(self) -> dict[str, Codes]:
        return codes_of(self.about)


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
        missing: What marks missing values, beside the usual words of CSV files; of these none where it is empty.
        spelling: How text writes numbers.
    """

    family: str
    path: Path
    inputs: Mapping[str, str]
    categories: int
    rows: int
    clip: tuple[float, float] | None
    separator: str = ","
    missing: tuple[str, ...] | None = None
    spelling: NumberFormat = PLAIN

    def fit(self, chunks: Iterable[tuple[pa.RecordBatch, np.ndarray]]) -> ColumnsEncoding:
        """See `pipeline.data.sources.Encoder`.

        Raises:
            UserError: A number is too large, no column has a value in train, or one more values than categories have.
        """
        moments = {name: self._moments() for name, kind in self.inputs.items() if kind == NUMERIC}
        dates = {name: DateMoments(self._moments) for name, kind in self.inputs.items() if kind == DATE}
        values: dict[str, Counter[str]] = {name: Counter() for name, kind in self.inputs.items() if kind == CATEGORICAL}
        done = 0
        for chunk, where in chunks:
            for name, own in moments.items():
                column = numbers(chunk.column(name))
                refuse_too_large(self.path, done, column, name)
                own.take(column[where])
            for name, date in dates.items():
                date.take(dates_of(chunk.column(name), self.missing or (), self.path, done, name)[where])
            learnt = pa.array(where)
            for name, counter in values.items():
                count(counter, chunk.column(name).filter(learnt))
                if len(counter) > _MOST_VALUES:
                    raise UserError(
                        f"{self.path}: column '{name}' has more than {_MOST_VALUES:,} different values: "
                        f"if it is an identifier, leave it out of inputs"
                    )
            done += chunk.num_rows
        fitted: dict[str, dict[str, Any] | None] = {name: self._numeric(it) for name, it in moments.items()}
        fitted |= {name: self._date(it) for name, it in dates.items()}
        fitted |= {name: self._categorical(it) for name, it in values.items()}
        columns = [
            {"name": name, "kind": kind, **about}
            for name, kind in self.inputs.items()
            if (about := fitted.get(name, {"width": WIDTH})) is not None
        ]
        empty = [name for name in self.inputs if fitted.get(name, {}) is None]
        if not columns:
            raise UserError(
                f"{self.path}: no input has a value in any row of train: {some(empty)} cannot be learnt from"
            )
        codes = [len(column["values"]) + 1 for column in columns if column["kind"] == CATEGORICAL]
        file: dict[str, Any] = {"separator": self.separator, "missing": list(self.missing or ())}
        file |= ({} if self.missing != () else {"usual": False}) | self.spelling.about
        file |= {"empty": empty} if empty else {}
        return ColumnsEncoding({"kind": "table", **file, "columns": columns, "categories": codes})

    def _moments(self) -> Moments:
        return ClippedMoments(self.rows, *self.clip) if self.clip else Moments()

    def _numeric(self, found: Moments) -> dict[str, Any] | None:
        clip = found.finish()
        if not found.count:
            return None
        return {**_about(found, clip), "marked": found.missing > 0}

    def _date(self, found: "DateMoments") -> dict[str, Any] | None:
        features = found.varying()
        if not features and not (found.missing and found.seen):
            return None
        return {
            "features": [{"of": of, **_about(it, it.finish())} for of, it in features.items()],
            "marked": found.missing > 0,
        }

    def _categorical(self, found: Counter[str]) -> dict[str, Any] | None:
        if not found:
            return None
        of, values = counted(found)
        frequent = sorted(values, key=lambda value: (-values[value], value))[: self.categories]
        rare = values.total() - sum(values[value] for value in frequent)
        return {"type": of, "values": in_order(frequent, of), "rare": rare / values.total()}


class DateMoments:
    """Moments of what a network is told of dates that come a chunk at a time.

    Args:
        make: Makes those of one feature.
    """

    def __init__(self, make: Callable[[], Moments]) -> None:
        self._moments: dict[str, Moments] = {}
        self._make, self.missing = make, 0

    def take(self, seconds: np.ndarray) -> None:
        """Take dates [N] in seconds since 1970, NaN where missing."""
        there = seconds[~np.isnan(seconds)]
        self.missing += len(seconds) - len(there)
        for name, values in features_of(there).items() if len(there) else ():
            self._moments.setdefault(name, self._make()).take(values)

    @property
    def seen(self) -> bool:
        """Whether any row has a date."""
        return bool(self._moments)

    def varying(self) -> dict[str, Moments]:
        """Of the features that are not the same in all rows."""
        return {name: it for name, it in self._moments.items() if it.range.low < it.range.high}


def _about(found: Moments, clip: Range | None) -> dict[str, Any]:
    return {"mean": found.mean, "std": found.std} | ({"clip": list(clip)} if clip else {})


def _texts(column: pa.Array, gaps: Collection[str]) -> tuple[list[str], np.ndarray]:
    words, places = distinct(column)
    return ["" if word in gaps else word for word in words.to_pylist()], places


def each(column: pa.Array, make: Callable[[str], float], missing: float = 0) -> np.ndarray:
    """What a function makes of each value of a column of text, numbers [B]."""
    found, places = distinct(column.cast(pa.string()))
    return np.array([*map(make, found.to_pylist()), missing])[places]  # a gap has the place -1, the last
