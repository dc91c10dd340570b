"""Columns of a table by name and type, a batch of rows at a time: CSV, Parquet, and folders of Parquet files.

Rows are counted from 1 in every message, the line of names not counted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.data.encodings.rows import LARGEST, too_large
from pipeline.data.tables.columns import some
from pipeline.data.tables.csv import csv_reader, explained
from pipeline.errors import UserError

_BLOCK = 1 << 20  # bytes of text parsed at a time
_OF_COLUMN = 1 << 11  # the same, at least, of each column: a wide table has few rows in a block
_LINE = 1 << 25  # bytes of the longest line that is tried
_ROWS = 1 << 14
_BROKEN = (pa.ArrowException, OSError, UnicodeDecodeError, KeyError)  # what pyarrow raises on damaged files


class TableFile(Protocol):
    """A table on disk."""

    @property
    def path(self) -> Path:
        """Of the file or folder."""

    @property
    def types(self) -> Mapping[str, pa.DataType]:
        """Of its columns, as far as a look at the first rows tells."""

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

    def batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """See `TableFile`."""
        _check_there(self.path, wanted, self.types)
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


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files of the same columns, one under another; folders called `key=value` are columns too."""

    path: Path
    parts: list[Path]

    @classmethod
    def under(cls, folder: Path) -> "ParquetFiles":
        """All in a folder and the folders in it, in the order of their paths; hidden ones are left out.

        Raises:
            UserError: There is none.
        """
        found = {path: path.relative_to(folder).parts for path in sorted(folder.rglob("*.parquet"))}
        if seen := [path for path, names in found.items() if not any(name.startswith((".", "_")) for name in names)]:
            return cls(folder, seen)
        raise UserError(f"{folder}: no Parquet file in this folder")

    @cached_property
    def types(self) -> Mapping[str, pa.DataType]:
        """Those of the first file, and text for what its folders say."""
        own = _types(self.parts[0])
        return own | dict.fromkeys(self._keys(self.parts[0]), pa.string())

    def batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """See `TableFile`; a file whose columns differ from those of the first is an error."""
        _check_there(self.path, wanted, self.types)
        for part in self.parts:
            keys = self._keys(part)
            own = _types(part) | dict.fromkeys(keys, pa.string())
            self._check_alike(part, own, wanted)
            yield from _read(part, keys, wanted)

    def files(self) -> list[Path]:
        """All of them."""
        return self.parts

    def _keys(self, part: Path) -> dict[str, str]:
        """The values in the names of a file's folders."""
        folders = part.relative_to(self.path).parts[:-1] if part != self.path else ()
        return dict(unquote(name).split("=", 1) for name in folders if "=" in name)  # type: ignore[misc]

    def _check_alike(self, part: Path, own: Mapping[str, pa.DataType], wanted: Mapping[str, pa.DataType]) -> None:
        for name in wanted:
            first = self.types[name]
            if name not in own:
                raise UserError(f"{part}: no column '{name}', which {self.parts[0].name} has")
            if own[name] != first and not (is_number(own[name]) and is_number(first)):
                raise UserError(f"{part}: column '{name}' is {own[name]}, in {self.parts[0].name} it is {first}")


def _read(path: Path, keys: Mapping[str, str], wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    inside = [name for name in wanted if name not in keys]
    done = 0
    with reading_parquet(path):
        # Mapped, so that compressed pages are the system's cache and not ours; not buffered ahead.
        file = pq.ParquetFile(path, memory_map=True, pre_buffer=False)
        for batch in file.iter_batches(_ROWS, columns=inside, use_threads=False):
            columns = [
                pa.repeat(keys[name], batch.num_rows)
                if name in keys
                else _cast(path, done, name, batch.column(name), kind)
                for name, kind in wanted.items()
            ]
            columns = [column.cast(kind) for column, kind in zip(columns, wanted.values(), strict=True)]
            yield pa.RecordBatch.from_arrays(columns, list(wanted))
            done += batch.num_rows


def _cast(path: Path, done: int, name: str, column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column as another type.

    Raises:
        UserError: One of its values is not of that type.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return column.cast(kind, safe=False)
    except pa.ArrowException:
        place, value = next((i, it) for i, it in enumerate(column) if not _fits(it, kind))
        raise UserError(f"{path}: row {done + place + 1}, column '{name}': {value.as_py()!r} is no {kind}") from None


def _fits(value: pa.Scalar, kind: pa.DataType) -> bool:
    try:
        value.cast(kind)
    except pa.ArrowException:
        return False
    return True


def _types(path: Path) -> dict[str, pa.DataType]:
    with reading_parquet(path):
        return {field.name: field.type for field in pq.read_schema(path, memory_map=True)}


@contextmanager
def reading_parquet(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises on damaged files into one line."""
    try:
        yield
    except _BROKEN as error:
        raise UserError(f"{path}: cannot be read as Parquet: {(str(error).splitlines() or [''])[0]}") from None


def _check_there(path: Path, wanted: Mapping[str, pa.DataType], found: Mapping[str, pa.DataType]) -> None:
    if missing := [name for name in wanted if name not in found]:
        raise UserError(f"{path}: no column {some(missing)}; the columns are {some(list(found))}")


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers; truth values are none."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def numbers(column: pa.Array) -> np.ndarray:
    """A column of numbers as float64 [B], NaN where it has none."""
    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def words(column: pa.Array) -> pa.Array:
    """A column as text: the way in which categories and classes are told apart, whatever they were read as."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string())


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


def refuse_too_large(path: Path, done: int, values: np.ndarray, column: str) -> None:
    """Check that each number [B] of a column that is not missing can be computed with.

    Raises:
        UserError: One is infinite, or beyond float32: where the first one stands, and what to do.
    """
    wrong = too_large(values)
    if wrong.any():
        what = f"{values[np.argmax(wrong)]:g} is no number to compute with (they end at {LARGEST:.1e})"
        refuse(path, done, wrong, column, f"{what}; if it is unknown, leave it empty, or list it in `missing`")


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))
