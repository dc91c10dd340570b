"""Rows of a table to score: the columns that a model reads, by name, among others or alone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.data.encodings.columns import dates_of, each, missing_in, types_of
from pipeline.data.encodings.rows import DATE, codes_of
from pipeline.data.encodings.values import Codes, NumberFormat
from pipeline.data.tables.columns import Columns, choose_columns
from pipeline.data.tables.rows import Batch, Rows, checked
from pipeline.data.tables.typed import TableFile, numbers, open_table, refuse, separator_of
from pipeline.errors import UserError

_SHOWN = 3


def open_pixels(path: Path, sizes: Sequence[int]) -> Rows:
    """Open a table with the columns of pixels.

    Args:
        path: Of the file or folder.
        sizes: Values of a row, for each kind of row that the model knows.

    Raises:
        UserError: It is no such table; its later rows are found out as they are read.
    """
    file = open_table(path)
    columns = choose_columns(path, [*file.types, *file.unreadable], sizes)
    wanted = dict.fromkeys(columns.pixels, pa.float64())
    arrays = (np.stack([numbers(column) for column in batch.columns], 1) for batch in file.batches(wanted))
    return Rows(columns, file.rows, checked(path, columns, arrays), file=file)


def open_records(path: Path, encodings: Sequence[Mapping[str, Any]]) -> Rows:
    """Open a table whose columns one of the encodings reads.

    Args:
        path: Of the file or folder.
        encodings: Of each source of the model that is a table, as `pipeline.data.encodings.columns` has them.

    Raises:
        UserError: It is no such table; its later rows are found out as they are read.
    """
    file, encoding = _matching(path, encodings)
    kinds = {column["name"]: column["kind"] for column in encoding["columns"]}
    wanted = types_of(kinds)
    if missing := [name for name in wanted if name not in file.types]:
        if why := file.unreadable.get(missing[0]):
            raise UserError(f"{path}: column '{missing[0]}' can be no input: {why}")
        raise UserError(f"{path}: no column '{missing[0]}'; the model reads {', '.join(wanted)}")
    others = [name for name in (*file.types, *file.unreadable) if name not in wanted]
    unseen = Unseen.of(encoding)
    dates = {name: encoding["missing"] for name, kind in kinds.items() if kind == DATE}
    batches = _batches(file, wanted, dates, unseen)
    return Rows(Columns(list(wanted), others), file.rows, batches, unseen.warning, file=file)


@dataclass
class Unseen:
    """Counts the values of categorical columns that a model does not know.

    Attributes:
        codes: By column what knows its values.
        trained: By column the share of train's values that are rare, and so are not known either.
        values: By column how many values there were.
        unseen: By column how many of them are unknown.
        examples: By column the first of these.
    """

    codes: Mapping[str, Codes]
    trained: Mapping[str, float]
    values: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, encoding: Mapping[str, Any]) -> "Unseen":
        """Those of an encoding; earlier versions' do not say what train's share was, and nothing is counted."""
        trained = {column["name"]: column["rare"] for column in encoding["columns"] if "rare" in column}
        return cls({name: code for name, code in codes_of(encoding).items() if name in trained}, trained)

    def take(self, batch: pa.RecordBatch) -> None:
        """The next rows."""
        for name, code in self.codes.items():
            column = batch.column(name)

            def is_unknown(word: str, code: Codes = code) -> int:
                return 0 if code.is_gap(word) else 1 if code(word) else 2

            kinds = each(column, is_unknown)
            self.values[name] += int(np.count_nonzero(kinds))
            unknown = kinds == 2
            if unknown.any():
                self.unseen[name] += int(unknown.sum())
                self.examples.setdefault(name, column[int(np.argmax(unknown))].as_py())

    def warning(self) -> str:
        """Which columns have more unknown values than train has rare ones; empty where none has."""
        shares = {name: self.unseen[name] / self.values[name] for name in self.unseen}
        more = [name for name, share in shares.items() if share > self.trained[name]]
        told = [
            f"{shares[name]:.2%} of column '{name}' ({self.trained[name]:.2%} in training), "
            f"such as {self.examples[name]!r}"
            for name in more[:_SHOWN]
        ]
        others = [f"and {len(more) - _SHOWN} more columns"] if len(more) > _SHOWN else []
        return f"values that the model does not know: {'; '.join(told + others)}" if more else ""


def _matching(path: Path, encodings: Sequence[Mapping[str, Any]]) -> tuple[TableFile, Mapping[str, Any]]:
    """The encoding of which fewest columns are missing, and the file opened as it wants."""
    opened = []
    for it in encodings:
        separator = separator_of(path, it["separator"], [column["name"] for column in it["columns"]])
        opened.append((open_table(path, separator, missing_in(it), spelling=NumberFormat.of(it)), it))
    return min(opened, key=lambda it: sum(column["name"] not in it[0].types for column in it[1]["columns"]))


def _batches(
    file: TableFile, wanted: Mapping[str, pa.DataType], dates: Mapping[str, Sequence[str]], unseen: Unseen
) -> Iterator[Batch]:
    done = 0
    for batch in file.batches(wanted):
        for name, kind in wanted.items():
            if pa.types.is_floating(kind):
                refuse(file.path, done, np.isinf(numbers(batch.column(name))), name, "an infinite number")
        for name, gaps in dates.items():
            dates_of(batch.column(name), gaps, file.path, done, name)
        unseen.take(batch)
        # As pandas has it, text as plain objects.
        columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in batch.schema.names}
        yield Batch(pd.DataFrame(columns))
        done += batch.num_rows
    if not done:
        raise UserError(f"{file.path}: no rows")
