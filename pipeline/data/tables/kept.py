"""Columns of a table that stand beside what is read of it, as they are in the file."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.data.tables.columns import some
from pipeline.data.tables.typed import ParquetFiles, TableFile
from pipeline.errors import UserError


@dataclass(frozen=True)
class Kept:
    """Columns of a file to be read a second time, without looking for gaps or types; Parquet keeps its own types.

    Attributes:
        file: None where an input has no columns.
        names: In their order.
    """

    file: TableFile | None = None
    names: Collection[str] = ()

    @classmethod
    def of(cls, path: Path, file: TableFile | None, read: Collection[str], asked: Collection[str] | None) -> "Kept":
        """Those that were asked for, by default all that are not read as inputs.

        Args:
            path: Of the input.
            file: Its table, if it is one.
            read: Names of the columns that the model reads.
            asked: Names; None for the default.

        Raises:
            UserError: There is no such column.
        """
        types = file.types if file else {}
        if asked is None:
            return cls(file, [name for name in types if name not in read])
        if missing := [name for name in asked if name not in types]:
            known = f"the columns are {some(list(types))}" if types else "it has no columns to keep"
            why = (file.unreadable if file else {}).get(missing[0], known)
            raise UserError(f"{path}: column {some(missing)} cannot be kept: {why}")
        return cls(file, list(dict.fromkeys(asked)))

    def parts(self) -> "Parts":
        """The rows, from the first on."""
        if self.file is None or not self.names:
            return Parts(iter(()))
        types = self.file.types if isinstance(self.file, ParquetFiles) else dict.fromkeys(self.names, pa.string())
        plain: Any = replace(self.file, missing=(), text=None)  # type: ignore[type-var]  # all tables are dataclasses
        return Parts(plain.batches({name: types[name] for name in self.names}))


class Parts:
    """Rows that are taken some at a time.

    Args:
        batches: Of any sizes; none of no columns.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches, self._rest = batches, next(batches, None)

    def take(self, rows: int) -> pd.DataFrame:
        """The next rows, of Arrow's types; without columns where there are none."""
        if self._rest is None:
            return pd.DataFrame(index=range(rows))
        parts = [self._rest.slice(0, rows)]
        self._rest = self._rest.slice(rows)
        while (missing := rows - sum(part.num_rows for part in parts)) and (more := next(self._batches, None)):
            parts.append(more.slice(0, missing))
            self._rest = more.slice(missing)
        return pa.Table.from_batches(parts).to_pandas(types_mapper=pd.ArrowDtype)
