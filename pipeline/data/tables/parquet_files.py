"""Parquet files as one table: a file, or all files of a folder, whose folders may be called `key=value`."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.tables.column_types import check_there, is_readable, no_input, plain, unified
from pipeline.errors import UserError

_ROWS = 1 << 14
_BROKEN = (pa.ArrowException, OSError, UnicodeDecodeError, KeyError)  # what pyarrow raises on damaged files
_GAPS = ("", "__HIVE_DEFAULT_PARTITION__")  # what a folder's name says where the column has no value
_CODE = re.compile(r"0\d{2,}")  # leading zeros tell a code; of two digits they tell a month, a day or an hour


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files of the same columns, one under another; folders called `key=value` are columns too.

    Where a file has a column of that name itself, the folder's value holds, as in Spark and DuckDB.
    """

    path: Path
    parts: list[Path]

    @classmethod
    def under(cls, folder: Path) -> "ParquetFiles":
        """All in a folder and the folders in it, in the order of their paths; hidden ones are left out.

        Raises:
            UserError: There is none.
        """
        found = {path: path.relative_to(folder).parts for path in sorted(folder.rglob("*.parquet"))}
        if seen := [path for path, names in found.items() if not any(_is_hidden(name) for name in names)]:
            return cls(folder, seen)
        raise UserError(f"{folder}: no Parquet file in this folder")

    @cached_property
    def types(self) -> Mapping[str, pa.DataType]:
        """Of the columns that all files have, of one kind; keys are numbers or dates where all folders say so."""
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

    def batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """See `pipeline.data.tables.typed.TableFile`."""
        check_there(self.path, wanted, self.types, self.unreadable)
        for part in self.parts:
            yield from _read(part, self._keys(part), wanted)

    def files(self) -> list[Path]:
        """All of them."""
        return self.parts

    @cached_property
    def _schemas(self) -> dict[Path, dict[str, pa.DataType]]:
        """Types by column, of each file and its folders."""
        keys = {part: self._keys(part) for part in self.parts}
        of_keys = {
            name: _type_of([own[name] for own in keys.values() if name in own])
            for name in dict.fromkeys(name for own in keys.values() for name in own)
        }
        return {part: _types(part) | {name: of_keys[name] for name in keys[part]} for part in self.parts}

    @cached_property
    def _unified(self) -> dict[str, pa.DataType | None]:
        names = dict.fromkeys(name for schema in self._schemas.values() for name in schema)
        return {name: unified(it[name] for it in self._schemas.values() if name in it) for name in names}

    def _called(self, part: Path) -> str:
        return (part.relative_to(self.path) if part != self.path else Path(part.name)).as_posix()

    def _keys(self, part: Path) -> dict[str, str | None]:
        """The values in the names of a file's folders, None where there is none."""
        folders = part.relative_to(self.path).parts[:-1] if part != self.path else ()
        pairs = (map(unquote, name.split("=", 1)) for name in folders if name.find("=") > 0)
        return {key: None if value in _GAPS else value for key, value in pairs}


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_")) and "=" not in name


def _type_of(values: list[str | None]) -> pa.DataType:
    """What all values of a key can be read as: whole numbers, numbers, dates, times, else text."""
    there = pa.array([it for it in values if it is not None], pa.string())
    if not any(_CODE.fullmatch(it) for it in there.to_pylist()):
        for kind in (pa.int64(), pa.float64(), pa.date32(), pa.timestamp("us")):
            if len(there) and _fits(there, kind):
                return kind
    return pa.string()


def _fits(values: pa.Array | pa.Scalar, kind: pa.DataType) -> bool:
    try:
        values.cast(kind)
    except pa.ArrowException:
        return False
    return True


def _read(path: Path, keys: Mapping[str, str | None], wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    inside = [name for name in wanted if name not in keys]
    done = 0
    with reading_parquet(path):
        # Mapped, so that compressed pages are the system's cache and not ours; not buffered ahead.
        file = pq.ParquetFile(path, memory_map=True, pre_buffer=False)
        for batch in file.iter_batches(_ROWS, columns=inside, use_threads=False):
            columns = [
                _cast(path, done, name, _repeated(keys[name], batch) if name in keys else batch.column(name), kind)
                for name, kind in wanted.items()
            ]
            yield pa.RecordBatch.from_arrays(columns, list(wanted))
            done += batch.num_rows


def _repeated(value: str | None, batch: pa.RecordBatch) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.string()), batch.num_rows)


def _cast(path: Path, done: int, name: str, column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column as another type.

    Raises:
        UserError: One of its values is not of that type.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type) and pa.types.is_string(kind):
        column = column.cast(pa.timestamp("us"), safe=False)  # UTC where there is a zone; finer than any reader takes
    try:
        return column.cast(kind, safe=False)
    except pa.ArrowException:
        place, value = next((i, it) for i, it in enumerate(column) if not _fits(it, kind))
        raise UserError(f"{path}: row {done + place + 1}, column '{name}': {value.as_py()!r} is no {kind}") from None


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
