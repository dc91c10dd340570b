"""Rows of a table to score: the columns that a model reads, by name, among others or alone."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.data.encodings.columns import dates_of, types_of
from pipeline.data.encodings.rows import DATE
from pipeline.data.tables.columns import Columns
from pipeline.data.tables.rows import Batch, Rows
from pipeline.data.tables.typed import TableFile, numbers, open_table, refuse
from pipeline.errors import UserError


def open_records(path: Path, encodings: Sequence[Mapping[str, Any]]) -> Rows:
    """Open a CSV or Parquet file, or a folder of Parquet files, whose columns one of the encodings reads.

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
    ignored = [name for name in file.types if name not in wanted]
    dates = [name for name, kind in kinds.items() if kind == DATE]
    return Rows(Columns(list(wanted), ignored), None, _batches(file, wanted, dates))


def _matching(path: Path, encodings: Sequence[Mapping[str, Any]]) -> tuple[TableFile, Mapping[str, Any]]:
    """The encoding of which fewest columns are missing, and the file opened as it wants."""
    opened = [(open_table(path, it["separator"], it["missing"]), it) for it in encodings]
    return min(opened, key=lambda it: sum(column["name"] not in it[0].types for column in it[1]["columns"]))


def _batches(file: TableFile, wanted: Mapping[str, pa.DataType], dates: Sequence[str]) -> Iterator[Batch]:
    done = 0
    for batch in file.batches(wanted):
        for name in dates:
            dates_of(batch.column(name), (), file.path, done, name)
        for name, kind in wanted.items():
            if pa.types.is_floating(kind):
                refuse(file.path, done, np.isinf(numbers(batch.column(name))), name, "an infinite number")
        # As pandas has it, text as plain objects.
        columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in batch.schema.names}
        yield Batch(pd.DataFrame(columns))
        done += batch.num_rows
    if not done:
        raise UserError(f"{file.path}: no rows")
