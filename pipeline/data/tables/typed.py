"""Columns of a table by name and type, a batch of rows at a time: CSV, JSON lines, Parquet, and folders of it.

Every format answers alike: as many rows in a batch, the same text and the same numbers for the same values. A gap is
null: an empty value in every format, and an unquoted word of a CSV file that marks one.

Rows are counted from 1 in every message, the line of names not counted.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline.data.encodings.rows import LARGEST, too_large
from pipeline.data.encodings.values import PLAIN, USUAL_FORMATS, NumberFormat
from pipeline.data.tables.batching import batch_rows, rebatched
from pipeline.data.tables.column_types import check_there, is_readable, is_text, no_input, plain, unified
from pipeline.data.tables.columns import some
from pipeline.data.tables.csv import csv_reader, explained, guess_separator
from pipeline.data.tables.footer import row_group_metadata
from pipeline.data.tables.hive import is_hidden, keys_of, type_of_key
from pipeline.data.tables.lines import JSON, JsonLines, ends_with
from pipeline.data.tables.parquet import record_batches
from pipeline.errors import UserError
from pipeline.files import check_regular

_BLOCK = 1 << 20  # bytes of text parsed at a time
_OF_COLUMN = 1 << 11  # the same, at least, of each column: a wide table has few rows in a block
_LINE = 1 << 25  # bytes of the longest line that is tried
_USUAL = tuple(word for word in pa.csv.ConvertOptions().null_values if word)
"""Words that mark missing values in CSV files: NA, NaN, null and the like."""
_BROKEN = (pa.ArrowException, OSError, UnicodeDecodeError, KeyError)  # what pyarrow raises on damaged files


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

    @property
    def rows(self) -> int | None:
        """How many there are, where the file says it."""

    def batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """These columns of all rows in order, as these types: text, float64 or any that `types` tells.

        All batches but the last have as many rows, whichever format they come from: sums over them are alike.

        Raises:
            UserError: A column is not there, or a value is of another type.
        """

    def files(self) -> list[Path]:
        """What it consists of, in order."""


def open_table(
    path: Path,
    separator: str = ",",
    missing: Sequence[str] | None = None,
    text: str | None = None,
    spelling: NumberFormat = PLAIN,
) -> TableFile:
    """Open a file of a table, a text perhaps gzipped, or a folder that holds Parquet files.

    Args:
        path: Of the file or folder.
        separator: Between the fields of a CSV file; a `.tsv` file's is a tab.
        missing: Words that mark missing values in every format, beside the usual ones of CSV files; empty for neither.
        text: A column of which every row has text, that may be empty.
        spelling: How text writes numbers.

    Raises:
        UserError: There is no such table.
    """
    words = tuple(missing or ())
    if path.is_dir():
        return replace(ParquetFiles.under(path), missing=words, text=text, spelling=spelling)
    if not path.is_file():
        raise UserError(f"{path}: no such file or folder")
    if path.suffix.lower() == ".parquet":
        return ParquetFiles(path, [path], words, text, spelling)
    if ends_with(path, *JSON):
        return JsonLines(path, text, words, spelling=spelling)
    if ends_with(path, ".csv", ".tsv", ".txt"):
        usual = _USUAL if missing is None or words else ()
        separator = "\t" if ends_with(path, ".tsv") else separator
        return CsvFile(path, separator, (*usual, *words), text, spelling=spelling)
    raise UserError(
        f"{path}: give a .csv, .tsv, .txt, .jsonl, .json (or .gz of these) or .parquet file, or a folder of the last"
    )


def separator_of(path: Path, usual: str = ",", names: Collection[str] = ()) -> str:
    """What stands between the fields of a file where that is not known; see `guess_separator`."""
    return guess_separator(path, usual, names) if path.is_file() and ends_with(path, ".csv", ".txt") else usual


@dataclass(frozen=True)
class CsvFile:
    """A CSV file whose first line names the columns, plain or gzipped.

    Attributes:
        path: Of the file.
        separator: Between fields.
        missing: Words that mark missing values where they are not quoted, beside the empty field.
        text: A column of which every row has text, that may be empty in quotes.
    """

    path: Path
    separator: str = ","
    missing: tuple[str, ...] = _USUAL
    text: str | None = None
    rows: int | None = None
    spelling: NumberFormat = PLAIN

    @cached_property
    def types(self) -> Mapping[str, pa.DataType]:
        """As the first block of the file suggests."""
        return {name: kind for name, kind in self._columns if name not in self.unreadable}

    @cached_property
    def unreadable(self) -> Mapping[str, str]:
        """Columns of which a name tells several."""
        twice = "there twice: give every column a name of its own"
        return {name: twice for name, count in Counter(name for name, _ in self._columns).items() if count > 1}

    @cached_property
    def _columns(self) -> list[tuple[str, pa.DataType]]:
        with explained(self.path, []):
            return [(field.name, field.type) for field in self._reader({}).schema]

    def batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """See `TableFile`."""
        check_there(self.path, wanted, self.types, self.unreadable)
        read = {name: pa.string() if pa.types.is_floating(kind) else kind for name, kind in wanted.items()}
        with explained(self.path, [name for name, _ in self._columns]):  # pyarrow numbers the columns of the file
            found = self._blocks(read, max(_BLOCK, _OF_COLUMN * len(self._columns)))
            batches = rebatched(found, len(wanted))
            yield from converted(self.path, batches, wanted, (), self.text, self.spelling, of_numbers=self.missing)

    def files(self) -> list[Path]:
        """The one."""
        return [self.path]

    def _reader(self, wanted: Mapping[str, pa.DataType], block: int = _BLOCK) -> pa.csv.CSVStreamingReader:
        """A reader; its block grows until it holds the longest of the first lines."""
        while True:
            try:
                return self._open(wanted, block)
            except pa.ArrowInvalid as error:
                block = self._larger(block, error)

    def _blocks(self, wanted: Mapping[str, pa.DataType], block: int) -> Iterator[pa.RecordBatch]:
        """All rows; where a later line is longer than a block, from there on in larger ones."""
        done = 0
        while True:
            known = done
            try:
                for batch in self._reader(wanted, block):
                    new = batch.slice(min(known, batch.num_rows))
                    known -= batch.num_rows - new.num_rows
                    done += new.num_rows
                    yield new
                return
            except pa.ArrowInvalid as error:
                block = self._larger(block, error)

    def _larger(self, block: int, error: pa.ArrowInvalid) -> int:
        """The next size of a block, if the error was that a line is longer than this one."""
        if "straddling" not in str(error):
            raise error
        if block >= _LINE:
            raise UserError(f"{self.path}: a row is longer than {_LINE >> 20} MiB: is a quote in it not closed?")
        return block * 8

    def _open(self, wanted: Mapping[str, pa.DataType], block: int) -> pa.csv.CSVStreamingReader:
        parse = pa.csv.ParseOptions(delimiter=self.separator, newlines_in_values=True)
        null = {"strings_can_be_null": True, "quoted_strings_can_be_null": False, "null_values": ["", *self.missing]}
        return csv_reader(self.path, block, wanted, parse, **null)


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files of the same columns, one under another; folders called `key=value` are columns too.

    Where a file has a column of that name itself, the folder's value holds, as in Spark and DuckDB.
    """

    path: Path
    parts: list[Path]
    missing: tuple[str, ...] = ()
    text: str | None = None
    spelling: NumberFormat = PLAIN

    @classmethod
    def under(cls, folder: Path) -> "ParquetFiles":
        """All in a folder and the folders in it, in the order of their paths; hidden ones are left out.

        Raises:
            UserError: There is none.
        """
        found = {path: path.relative_to(folder).parts for path in sorted(folder.rglob("*.parquet"))}
        if seen := [path for path, names in found.items() if not any(map(is_hidden, names))]:
            for path in seen:
                check_regular(path)
            return cls(folder, seen)
        raise UserError(f"{folder}: no Parquet file in this folder")

    @cached_property
    def types(self) -> Mapping[str, pa.DataType]:
        """Of the columns that all files with rows have, of one kind; keys are numbers or dates where all are."""
        return {name: kind for name, kind in self._unified.items() if kind is not None and name not in self.unreadable}

    @cached_property
    def unreadable(self) -> Mapping[str, str]:
        """Why the other columns can be neither inputs nor labels."""
        found = {}
        for name, kind in self._unified.items():
            own = {part: schema.get(name) for part, schema in self._schemas.items()}
            if kind is None:
                places = {plain(it): part for part, it in own.items() if it is not None}
                found[name] = ", ".join(f"{it} in {self._called(part)}" for it, part in places.items())
            elif not is_readable(kind):
                found[name] = no_input(kind)
            elif without := [part for part, it in own.items() if it is None]:
                found[name] = f"missing in {self._called(without[0])}"
        return found

    @property
    def rows(self) -> int:
        """As the files say."""
        return sum(map(_rows, self.parts))

    def batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """See `TableFile`."""
        check_there(self.path, wanted, self.types, self.unreadable)
        yield from rebatched(self._batches(wanted), len(wanted))

    def _batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        for part in self._filled:
            read = _read(part, self._keys(part), wanted)
            yield from converted(part, read, wanted, self.missing, self.text, self.spelling)

    def files(self) -> list[Path]:
        """All of them."""
        return self.parts

    @cached_property
    def _filled(self) -> list[Path]:
        """The files that have rows, if any has; what an empty one says of its columns is often made up."""
        return [part for part in self.parts if _rows(part)] or self.parts

    @cached_property
    def _schemas(self) -> dict[Path, dict[str, pa.DataType]]:
        """Types by column, of each file and its folders."""
        keys = {part: self._keys(part) for part in self._filled}
        of_keys = {
            name: type_of_key([own[name] for own in keys.values() if name in own])
            for name in dict.fromkeys(name for own in keys.values() for name in own)
        }
        return {part: _types(part) | {name: of_keys[name] for name in own} for part, own in keys.items()}

    @cached_property
    def _unified(self) -> dict[str, pa.DataType | None]:
        names = dict.fromkeys(name for schema in self._schemas.values() for name in schema)
        return {name: unified(it[name] for it in self._schemas.values() if name in it) for name in names}

    def _called(self, part: Path) -> str:
        return (part.relative_to(self.path) if part != self.path else Path(part.name)).as_posix()

    def _keys(self, part: Path) -> dict[str, str | None]:
        """What the names of a file's folders say."""
        return keys_of(part.relative_to(self.path).parts[:-1]) if part != self.path else {}


def _read(path: Path, keys: Mapping[str, str | None], wanted: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """Columns of a file and of its folders' names, as the file has them."""
    inside = [name for name in wanted if name not in keys]
    with reading_parquet(path):
        for batch in record_batches(path, inside, batch_rows(len(inside))):
            columns = [
                pa.repeat(pa.scalar(keys[name], pa.string()), batch.num_rows) if name in keys else batch.column(name)
                for name in wanted
            ]
            yield pa.RecordBatch.from_arrays(columns, list(wanted))


def _rows(path: Path) -> int:
    with reading_parquet(path):
        return next(row_group_metadata(path)).num_rows


def _types(path: Path) -> dict[str, pa.DataType]:
    with reading_parquet(path):
        schema = next(row_group_metadata(path)).schema.to_arrow_schema()
    if twice := sorted(name for name, count in Counter(schema.names).items() if count > 1):
        raise UserError(f"{path}: {some(twice)} there twice: give every column a name of its own")
    return {field.name: field.type for field in schema}


@contextmanager
def reading_parquet(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises on damaged files into one line."""
    try:
        yield
    except _BROKEN as error:
        raise UserError(f"{path}: cannot be read as Parquet: {(str(error).splitlines() or [''])[0]}") from None


def converted(
    path: Path,
    batches: Iterable[pa.RecordBatch],
    wanted: Mapping[str, pa.DataType],
    missing: Sequence[str] = (),
    text: str | None = None,
    spelling: NumberFormat = PLAIN,
    of_numbers: Sequence[str] = (),
) -> Iterator[pa.RecordBatch]:
    """Columns as the wanted types, with null for every gap.

    Args:
        path: Of the file, for messages.
        batches: Its columns in any types.
        wanted: The types.
        missing: Words that mark missing values.
        text: A column that is left as it is.
        spelling: How text writes numbers.
        of_numbers: Words that mark missing values among numbers, which cannot mean anything else there.

    Raises:
        UserError: A value is not of its type.
    """
    done = 0
    numeric = pa.array(spelling.numbers([*missing, *of_numbers]), pa.float64())
    all_gaps, of_numbers = pa.array(["", *missing], pa.string()), pa.array(["", *missing, *of_numbers], pa.string())
    for batch in batches:
        columns = []
        for name, kind in wanted.items():
            column = batch.column(name)
            if pa.types.is_floating(kind) and is_text(column.type) and spelling == PLAIN:
                with suppress(pa.ArrowInvalid):  # most columns of numbers have no word for a gap
                    column = column.cast(kind)
            if is_text(column.type) or pa.types.is_string(kind):
                column = words(column)
                gaps = of_numbers if pa.types.is_floating(kind) else all_gaps
                if name != text and pc.any(found := pc.is_in(column, gaps)).as_py():
                    column = pc.if_else(found, None, column)
            if column.type != kind:
                column = (
                    _as_numbers(path, done, name, column, kind, spelling)
                    if pa.types.is_floating(kind)
                    else _cast(path, done, name, column, kind)
                )
            if len(numeric) and pa.types.is_floating(kind) and pc.any(found := pc.is_in(column, numeric)).as_py():
                column = pc.if_else(found, None, column)
            columns.append(column)
        yield pa.RecordBatch.from_arrays(columns, list(wanted))
        done += batch.num_rows


def _as_numbers(
    path: Path, done: int, name: str, column: pa.Array, kind: pa.DataType, spelling: NumberFormat
) -> pa.Array:
    """A column as numbers; of text every value has to spell one."""
    if pa.types.is_decimal(column.type) or (pa.types.is_float32(column.type) and not _is_whole(column)):
        # Arrow's own way from decimals does not round to the nearest, and 32 bits are to mean what text says of them.
        column, spelling = column.cast(pa.string()), PLAIN
    if not is_text(column.type):
        return _cast(path, done, name, column, kind)
    if spelling == PLAIN:
        with suppress(pa.ArrowInvalid):
            return column.cast(kind)
    found = column.dictionary_encode()
    spelled = found.dictionary.to_pylist()
    values = [spelling.number(word) for word in spelled]
    if None in values:
        wrong = {place for place, value in enumerate(values) if value is None}
        row, place = next((row, it) for row, it in enumerate(found.indices.to_pylist()) if it in wrong)
        raise UserError(f"{place_of(path, done, row, name)}: {no_number(spelled[place])}")
    return pa.array(values, kind).take(found.indices)


def _is_whole(column: pa.Array) -> bool:
    """Whether all numbers are whole, as those of pixels are."""
    return bool(pc.all(pc.equal(column, pc.floor(column))).as_py())  # gaps are skipped; not a number equals nothing


def no_number(word: str) -> str:
    """What is said of a text that should be a number, with the formats in which it is one."""
    formats = [it.about for it in USUAL_FORMATS if it.thousands in word and it.number(word) is not None]
    written = [", ".join(f'`{name}: "{mark}"`' for name, mark in it.items()) for it in formats]
    return f"{word!r} is no number" + (
        f"; if the table writes numbers so, say {' or '.join(written)}" if written else ""
    )


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
        raise UserError(f"{place_of(path, done, place, name)}: {value.as_py()!r} is no {kind}") from None


def _fits(value: pa.Scalar, kind: pa.DataType) -> bool:
    try:
        value.cast(kind)
    except pa.ArrowException:
        return False
    return True


def numbers(column: pa.Array) -> np.ndarray:
    """A column of numbers as float64 [B], NaN where it has none."""
    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def words(column: pa.Array) -> pa.Array:
    """A column as text: the way in which categories and classes are told apart, whatever they were read as."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    if pa.types.is_timestamp(column.type) and column.type.tz:
        utc = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())  # no look into a database of zones
        return pc.binary_join_element_wise(utc, "Z", "")
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


def refuse_too_large(path: Path, done: int, values: np.ndarray, column: str) -> None:
    """Check that each number [B] of a column that is not missing can be computed with.

    Raises:
        UserError: One is infinite, or beyond float32: where the first one stands, and what to do.
    """
    wrong = too_large(values)
    if wrong.any():
        what = f"{values[np.argmax(wrong)]:g} is no number to compute with (they end at {LARGEST:.1e})"
        refuse(path, done, wrong, column, f"{what}; if it is unknown, leave it empty, or list it in `missing`")
