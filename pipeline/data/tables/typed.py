"""Columns of a table by name and type, a batch of rows at a time: CSV, Parquet, and folders of Parquet files.

Rows are counted from 1 in every message, the line of names not counted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline.data.tables.column_types import check_there
from pipeline.data.tables.columns import some
from pipeline.data.tables.csv import csv_reader, explained
from pipeline.data.tables.parquet_files import ParquetFiles
from pipeline.errors import UserError

_BLOCK = 1 << 20  # bytes of text parsed at a time
_OF_COLUMN = 1 << 11  # the same, at least, of each column: a wide table has few rows in a block
_LINE = 1 << 25  # bytes of the longest line that is tried
_ROWS = 1 << 14


class TableFile(Protocol):
    """A table on disk."""

    @property
    def path(self) -> Path:
        """Of the file or folder."""

    @property
    def types(self) -> Mapping[str, pa.DataType]:
        """Of its columns, as far as a look at the first rows tells."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Columns that can be neither inputs nor labels, and why."""

    def batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """These columns of all rows in order, as these types: text, float64 or any that `types` tells.

        Raises:
            UserError: A column is not there, or a value is of another type.
        """

    def files(self) -> list[Path]:
        """What it consists of, in order."""


def open_table(path: Path, separator: str = ",", missing: Sequence[str] = ()) -> TableFile:
    """Open a `.csv`, `.csv.gz`, `.tsv` or `.parquet` file, or a folder that holds Parquet files.

    Args:
        path: Of the file or folder.
        separator: Between the fields of a CSV file; a `.tsv` file's is a tab.
        missing: What else its fields say where a value is missing.

    Raises:
        UserError: There is no such table.
    """
    if path.is_dir():
        return ParquetFiles.under(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file or folder")
    if path.suffix == ".parquet":
        return ParquetFiles(path, [path])
    if path.name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz")):
        return CsvFile(path, "\t" if ".tsv" in path.name else separator, tuple(missing))
    raise UserError(f"{path}: give a .csv, .csv.gz, .tsv or .parquet file, or a folder of Parquet files")


@dataclass(frozen=True)
class CsvFile:
    """A CSV file whose first line names the columns, plain or gzipped."""

    path: Path
    separator: str = ","
    missing: tuple[str, ...] = ()

    @cached_property
    def types(self) -> Mapping[str, pa.DataType]:
        """As the first block of the file suggests."""
        if not self.path.stat().st_size:
            raise UserError(f"{self.path}: is empty")
        with explained(self.path, []):
            schema = self._reader({}).schema
        if twice := sorted(name for name, count in Counter(schema.names).items() if count > 1):
            raise UserError(f"{self.path}: {some(twice)} there twice: give every column a name of its own")
        return {field.name: field.type for field in schema}

    @property
    def unreadable(self) -> Mapping[str, str]:
        """None."""
        return {}

    def batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """See `TableFile`."""
        check_there(self.path, wanted, self.types, self.unreadable)
        with explained(self.path, list(self.types)):  # pyarrow numbers the columns of the file
            for batch in self._reader(wanted, max(_BLOCK, _OF_COLUMN * len(self.types))):
                for start in range(0, batch.num_rows, _ROWS):
                    yield batch.slice(start, _ROWS)

    def files(self) -> list[Path]:
        """The one."""
        return [self.path]

    def _reader(self, wanted: Mapping[str, pa.DataType], block: int = _BLOCK) -> pa.csv.CSVStreamingReader:
        """A reader; its block grows until it holds the longest line."""
        while True:
            try:
                return self._open(wanted, block)
            except pa.ArrowInvalid as error:
                if "straddling" not in str(error) or block >= _LINE:
                    raise
                block *= 8

    def _open(self, wanted: Mapping[str, pa.DataType], block: int) -> pa.csv.CSVStreamingReader:
        parse = pa.csv.ParseOptions(delimiter=self.separator, newlines_in_values=True)
        null = [*pa.csv.ConvertOptions().null_values, *self.missing]
        return csv_reader(self.path, block, wanted, parse, strings_can_be_null=True, null_values=null)


def numbers(column: pa.Array) -> np.ndarray:
    """A column of numbers as float64 [B], NaN where it has none."""
    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def words(column: pa.Array) -> pa.Array:
    """A column as text: the way in which categories and classes are told apart, whatever they were read as."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string())


def distinct(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """The different values [W] of a column of text, and the place of each row's among them [B]; -1 where missing."""
    found = column.dictionary_encode()
    return found.dictionary, found.indices.fill_null(-1).to_numpy(zero_copy_only=False)


def count(counter: Counter[str], column: pa.Array) -> None:
    """Add how often each value of a column is there."""
    for one in pc.value_counts(column.drop_null()).to_pylist():
        counter[one["values"]] += one["counts"]


def place_of(path: Path, done: int, row: int, column: str) -> str:
    """Where a value is, for a message."""
    return f"{path}: row {done + row + 1}, column '{column}'"


def refuse(path: Path, done: int, wrong: np.ndarray, column: str, why: str) -> None:
    """Check that no value [B] of a column is wrong.

    Raises:
        UserError: One is: where the first one stands, and why.
    """
    if wrong.any():
        raise UserError(f"{place_of(path, done, int(np.argmax(wrong)), column)}: {why}")
