"""The encoding of a table: numbers clipped and standardised, missing ones marked, categories as codes.

Legend of shapes: B rows of a chunk, N numeric columns, M of them with missing values in train, C categorical columns.
A row is encoded as N numbers, M marks (1 where the number is missing), and C codes (0 for a value that is missing or
that train never showed).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.data.encodings.moments import ClippedMoments, Moments
from pipeline.data.encodings.rows import CATEGORICAL, NUMERIC, codes_of, encoded
from pipeline.data.encodings.values import PLAIN, Codes, NumberFormat, counted, in_order
from pipeline.data.tables.typed import count, numbers, refuse_too_large
from pipeline.errors import UserError

_MOST_VALUES = 1 << 20


def types_of(kinds: Mapping[str, str]) -> dict[str, pa.DataType]:
    """What columns of these kinds are read as: text for categories, float64 for numbers."""
    return {name: pa.string() if kind == CATEGORICAL else pa.float64() for name, kind in kinds.items()}


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
            `mean`, `std`, `marked` and, if its numbers are clipped, `clip`, from where to where; a categorical one with
            its `type`, its `values` in the order of their codes from 1, and `rare`, the share of its values in train
            that have no code; and `categories`, the number of codes of each categorical one.
    """

    about: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N + M + C,)."""
        return (sum(1 + bool(column.get("marked")) for column in self.about["columns"]),)

    def encode(self, chunk: pa.RecordBatch) -> np.ndarray:
        """float32 [B, N + M + C]."""
        return encoded(
            self.about["columns"],
            chunk.num_rows,
            numbers=lambda name: numbers(chunk.column(name)),
            codes=lambda name: each(chunk.column(name), self._codes[name]),
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
            UserError: A number is too large, a column has no value in train, or more values than categories have.
        """
        moments = {name: self._moments() for name, kind in self.inputs.items() if kind == NUMERIC}
        values: dict[str, Counter[str]] = {name: Counter() for name, kind in self.inputs.items() if kind == CATEGORICAL}
        done = 0
        for chunk, where in chunks:
            for name, own in moments.items():
                column = numbers(chunk.column(name))
                refuse_too_large(self.path, done, column, name)
                own.take(column[where])
            learnt = pa.array(where)
            for name, counter in values.items():
                count(counter, chunk.column(name).filter(learnt))
                if len(counter) > _MOST_VALUES:
                    raise UserError(
                        f"{self.path}: column '{name}' has more than {_MOST_VALUES:,} different values: "
                        f"if it is an identifier, leave it out of inputs"
                    )
            done += chunk.num_rows
        columns = [
            {"name": name, "kind": kind}
            | (self._numeric(name, moments[name]) if kind == NUMERIC else self._categorical(name, values[name]))
            for name, kind in self.inputs.items()
        ]
        codes = [len(column["values"]) + 1 for column in columns if column["kind"] == CATEGORICAL]
        file: dict[str, Any] = {"separator": self.separator, "missing": list(self.missing or ())}
        file |= ({} if self.missing != () else {"usual": False}) | self.spelling.about
        return ColumnsEncoding({"kind": "table", **file, "columns": columns, "categories": codes})

    def _moments(self) -> Moments:
        return ClippedMoments(self.rows, *self.clip) if self.clip else Moments()

    def _numeric(self, name: str, found: Moments) -> dict[str, Any]:
        clip = found.finish()
        if not found.count:
            raise UserError(f"{self.path}: column '{name}' has no number in any row of train: leave it out of inputs")
        own = {"mean": found.mean, "std": found.std, "marked": found.missing > 0}
        return own | ({"clip": list(clip)} if clip else {})

    def _categorical(self, name: str, found: Counter[str]) -> dict[str, Any]:
        if not found:
            raise UserError(f"{self.path}: column '{name}' has no value in any row of train: leave it out of inputs")
        of, values = counted(found)
        frequent = sorted(values, key=lambda value: (-values[value], value))[: self.categories]
        rare = values.total() - sum(values[value] for value in frequent)
        return {"type": of, "values": in_order(frequent, of), "rare": rare / values.total()}


def each(column: pa.Array, code: Callable[[str], int]) -> np.ndarray:
    """What a function makes of each value of a column of text, whole numbers [B]; 0 where it has none."""
    found = column.cast(pa.string()).dictionary_encode()
    codes = np.array([*map(code, found.dictionary.to_pylist()), 0])
    return codes[found.indices.fill_null(len(codes) - 1).to_numpy(zero_copy_only=False)]
