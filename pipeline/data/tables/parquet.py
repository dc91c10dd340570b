"""Parquet files, read within a bounded amount of memory whatever the size of their row groups.

A reader holds, for every column it reads, a page and a dictionary, and the widest of tables have too many columns for
that: so what a row group would take is estimated from its uncompressed size, and a group that is too large goes, some
columns at a time, through a scratch file from which its rows are then mapped.
"""

import itertools
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.tables.column_types import is_number
from pipeline.data.tables.columns import choose_columns, some
from pipeline.data.tables.footer import row_group_metadata
from pipeline.data.tables.parquet_files import reading_parquet
from pipeline.data.tables.rows import Rows, batch_rows, checked
from pipeline.data.tables.typed import numbers
from pipeline.errors import Failure, UserError

_HELD = 1 << 25  # bytes, uncompressed, of the columns that are read side by side; a reader may hold them twice


def open_parquet(path: Path, sizes: list[int]) -> Rows:
    """Open a Parquet file.

    Raises:
        UserError: The file is no such table.
    """
    pieces = row_group_metadata(path)
    with reading_parquet(path):
        first = next(pieces)
        schema = first.schema.to_arrow_schema()
    columns = choose_columns(path, schema.names, sizes)
    kinds = {name: schema.field(name).type for name in columns.pixels}
    if wrong := [name for name, it in kinds.items() if not (is_number(it) or pa.types.is_boolean(it))]:
        raise UserError(f"{path}: {some(wrong)} holds no numbers but {kinds[wrong[0]]}")
    arrays = _arrays(path, itertools.chain([first], pieces), columns.pixels)
    return Rows(columns, first.num_rows, checked(path, columns, arrays))


def _arrays(path: Path, pieces: Iterable[pq.FileMetaData], names: list[str]) -> Iterator[np.ndarray]:
    with reading_parquet(path):
        for metadata in pieces:
            # Mapped, so that compressed pages are the system's cache and not ours; not buffered ahead.
            file = pq.ParquetFile(path, metadata=metadata, memory_map=True, pre_buffer=False)
            for group in range(file.num_row_groups):
                parts = _parts(file, group, names)
                yield from _direct(file, group, names) if len(parts) == 1 else _scratch(file, group, parts)


def _parts(file: pq.ParquetFile, group: int, names: list[str]) -> list[list[str]]:
    """The columns in parts that may be read side by side."""
    metadata = file.metadata.row_group(group)
    if metadata.total_byte_size <= _HELD:
        return [names]
    sizes = {(column := metadata.column(c)).path_in_schema: column.total_uncompressed_size
             for c in range(metadata.num_columns)}  # fmt: skip
    parts: list[list[str]] = []
    held = 0
    for name in names:
        held += sizes[name]
        if not parts or held > _HELD:
            parts.append([])
            held = sizes[name]
        parts[-1].append(name)
    return parts


def _direct(file: pq.ParquetFile, group: int, names: list[str]) -> Iterator[np.ndarray]:
    for batch in file.iter_batches(batch_rows(len(names)), [group], names, use_threads=False):
        yield np.stack([numbers(batch.column(name)) for name in names]).T


def _scratch(file: pq.ParquetFile, group: int, parts: list[list[str]]) -> Iterator[np.ndarray]:
    """A row group's rows by way of a scratch file, float32 [F, N]."""
    shape = (sum(map(len, parts)), file.metadata.row_group(group).num_rows)
    if not shape[1]:
        return
    with tempfile.TemporaryFile() as scratch:
        first = 0
        for names in parts:
            start = 0
            for batch in file.iter_batches(batch_rows(len(names)), [group], names, use_threads=False):
                columns = [numbers(batch.column(name)) for name in names]
                _put(scratch, [((first + index) * shape[1] + start, column) for index, column in enumerate(columns)])
                start += batch.num_rows
            first += len(names)
        # Written, and mapped only then: a full disk is an error when written to, and a crash when mapped.
        values = np.memmap(scratch, np.float32, "r", shape=shape)
        rows = batch_rows(shape[0])
        for start in range(0, shape[1], rows):
            yield values[:, start : start + rows].astype(np.float64).T


def _put(scratch: IO[bytes], pieces: Iterable[tuple[int, np.ndarray]]) -> None:
    """Write values at positions counted in values."""
    try:
        for position, values in pieces:
            with np.errstate(over="ignore"):  # what overflows is infinite, and refused with its place
                content = values.astype(np.float32)
            scratch.seek(position * content.itemsize)
            scratch.write(content.tobytes())
        scratch.flush()
    except OSError as error:
        place = tempfile.gettempdir()
        raise Failure(f"no scratch file in {place} ({error.strerror}): set TMPDIR to a larger disk") from None
