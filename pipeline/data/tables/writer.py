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
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that spreadsheet programs take for a formula, by OWASP's list."""

_WRITERS: dict[str, Callable[[str, pa.Schema], pa.csv.CSVWriter | pq.ParquetWriter]] = {
    ".csv": pa.csv.CSVWriter,
    ".parquet": pq.ParquetWriter,
}


def is_formula(text: object) -> bool:
    """Whether a spreadsheet program would take a text for a formula; numbers are none."""
    if not isinstance(text, str) or not text.startswith(_FORMULA):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with a `'` before texts, and names of columns, that a spreadsheet program would run as formulas."""

    def cell(value: object) -> object:
        return f"'{value}" if is_formula(value) else value

    texts = {name: frame[name].map(cell) for name in frame if frame[name].dtype.kind not in "biuf"}
    return frame.assign(**texts).rename(columns=cell)


def check_output(path: Path, source: Path, spreadsheet: bool = False) -> None:
    """Whether a table made from `source`, perhaps for a spreadsheet program, can be written there.

    Raises:
        UserError: Its suffix, its folder, or what is there already is wrong.
    """
    if spreadsheet and path.suffix != ".csv":
        raise UserError(f"output {path}: --spreadsheet is for a .csv file")
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
        spreadsheet: Whether a spreadsheet program will open it, see `without_formulas`.
    """

    def __init__(self, path: Path, suffix: str, spreadsheet: bool = False) -> None:
        self._path, self._suffix, self._spreadsheet = path, suffix, spreadsheet
        self._waiting: pa.Table | None = None
        self._writer: pa.csv.CSVWriter | pq.ParquetWriter | None = None

    def write(self, frame: pd.DataFrame) -> None:
        """Append rows; the index is not written."""
        frame = without_formulas(frame) if self._spreadsheet else frame
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
def written(path: Path, spreadsheet: bool = False) -> Iterator[TableWriter]:
    """A writer whose file takes the place of `path` when all went well, and else leaves nothing; see `TableWriter`.

    Raises:
        Failure: The disk is full, or the folder cannot be written to.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    writer = TableWriter(partial, path.suffix, spreadsheet)
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
