"""Parquet files, read within a bounded amount of memory whatever the size of their row groups.

A reader holds, for every column it reads, a page and a dictionary, and the widest of tables have too many columns for
that: so what a row group would take is estimated from its uncompressed size, and a group that is too large goes, some
columns at a time, through scratch files from which its rows are then mapped.
"""

import mmap
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.tables.footer import row_group_metadata
from pipeline.errors import Failure

_HELD = 1 << 25  # bytes, uncompressed, of the columns that are read side by side; a reader may hold them twice


def record_batches(path: Path, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Columns of all rows of a file in order, as the file has them, at most so many rows at a time.

    Raises:
        pyarrow.ArrowException: It is no Parquet file, or damaged.
        Failure: There is no room for a scratch file.
    """
    for metadata in row_group_metadata(path):
        # Mapped, so that compressed pages are the system's cache and not ours; not buffered ahead.
        file = pq.ParquetFile(path, metadata=metadata, memory_map=True, pre_buffer=False)
        for group in range(file.num_row_groups):
            if not file.metadata.row_group(group).num_rows:
                continue
            parts = _parts(file, group, names)
            if len(parts) == 1:
                yield from file.iter_batches(rows, [group], names, use_threads=False)
            else:
                yield from _by_scratch(file, group, parts, rows)


def _parts(file: pq.ParquetFile, group: int, names: Sequence[str]) -> list[list[str]]:
    """The columns in parts that may be read side by side."""
    metadata = file.metadata.row_group(group)
    if metadata.total_byte_size <= _HELD:
        return [list(names)]
    sizes = {(column := metadata.column(c)).path_in_schema: column.total_uncompressed_size
             for c in range(metadata.num_columns)}  # fmt: skip
    parts: list[list[str]] = [[]]
    held = 0
    for name in names:
        size = sizes.get(name, 0)
        if parts[-1] and held + size > _HELD:
            parts.append([])
            held = 0
        held += size
        parts[-1].append(name)
    return parts


def _by_scratch(file: pq.ParquetFile, group: int, parts: Sequence[list[str]], rows: int) -> Iterator[pa.RecordBatch]:
    """A row group's rows by way of scratch files, one for the columns of each part."""
    mapped = [_mapped(file.iter_batches(rows, [group], names, use_threads=False)) for names in parts]
    for place in range(mapped[0].num_record_batches):
        pieces = [one.get_batch(place) for one in mapped]
        columns = [column for piece in pieces for column in piece.columns]
        yield pa.RecordBatch.from_arrays(columns, [name for names in parts for name in names])


def _mapped(batches: Iterator[pa.RecordBatch]) -> pa.ipc.RecordBatchFileReader:
    """The same batches, mapped from a scratch file."""
    writer = None
    with tempfile.TemporaryFile() as scratch:
        for batch in batches:
            plain = pa.table([_plain(column) for column in batch.columns], batch.schema.names)
            with _room():
                writer = writer or pa.ipc.new_file(scratch, plain.schema)
                writer.write_table(plain)
        assert writer is not None, "a row group without rows"
        with _room():
            writer.close()
            scratch.flush()
        # Written, and mapped only then: a full disk is an error when written to, and a crash when mapped.
        content = mmap.mmap(scratch.fileno(), 0, access=mmap.ACCESS_READ)
    return pa.ipc.open_file(pa.py_buffer(content))


def _plain(column: pa.Array) -> pa.Array:
    """Without the dictionary, of which a scratch file would hold one for all batches."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = tempfile.gettempdir()
        why = error.strerror or str(error).splitlines()[0]
        raise Failure(f"no scratch file in {place} ({why}): set TMPDIR to a larger disk") from None
