"""A table written a batch at a time, as CSV or Parquet, that is there only when it is whole."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.errors import Failure, UserError

_FLUSH = 1 << 23  # bytes gathered before they are written: a row group of small batches costs more than it holds
_WRITERS: dict[str, Callable[[str, pa.Schema], pa.csv.CSVWriter | pq.ParquetWriter]] = {
    ".csv": pa.csv.CSVWriter,
    ".parquet": pq.ParquetWriter,
}


def check_output(path: Path, source: Path) -> None:
    """Whether a table made from `source` can be written there.

    Raises:
        UserError: Its suffix, its folder, or what is there already is wrong.
    """
    if path.suffix not in _WRITERS:
        raise UserError(f"output {path}: its name must end in {' or '.join(_WRITERS)}")
    if path.is_dir():
        raise UserError(f"output {path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise UserError(f"output {path}: no folder {path.parent}; make it first")
    if path.exists() and path.samefile(source):
        raise UserError(f"output {path}: is the input; name another file")


class TableWriter:
    """Appends frames of equal columns to a file.

    Args:
        path: The file.
        suffix: `.csv` or `.parquet`.
    """

    def __init__(self, path: Path, suffix: str) -> None:
        self._path, self._suffix = path, suffix
        self._waiting: pa.Table | None = None
        self._writer: pa.csv.CSVWriter | pq.ParquetWriter | None = None

    def write(self, frame: pd.DataFrame) -> None:
        """Append rows; the index is not written."""
        table = pa.Table.from_pandas(frame, preserve_index=False, nthreads=1).replace_schema_metadata()
        # Copied into Arrow's memory: many small waiting arrays would keep malloc from giving the large ones back.
        self._waiting = (
            pa.concat_tables([self._waiting, table]).combine_chunks() if self._waiting is not None else table
        )
        if self._waiting.nbytes >= _FLUSH:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if self._waiting is not None:
            self._writer = self._writer or _WRITERS[self._suffix](str(self._path), self._waiting.schema)
            self._writer.write_table(self._waiting)
            self._waiting = None


@contextmanager
def written(path: Path) -> Iterator[TableWriter]:
    """A writer whose file takes the place of `path` when all went well, and else leaves nothing.

    Raises:
        Failure: The disk is full, or the folder cannot be written to.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    writer = TableWriter(partial, path.suffix)
    try:
        yield writer
        writer.close()
        partial.replace(path)
    except OSError as error:
        raise Failure(f"output {path} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(Exception):  # after a failure; the file is thrown away
            writer.close()
        partial.unlink(missing_ok=True)
