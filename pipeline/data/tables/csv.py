"""CSV files, plain or gzipped, read in blocks."""

import csv
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from pipeline.data.tables.lines import UNREADABLE, in_utf8, opened
from pipeline.errors import UserError

_SEPARATORS = ",;\t|"
_LOOKED_AT, _ROWS = 1 << 20, 20  # letters and rows by which a separator is guessed
_DECLARED = re.compile(r"\ufeff?\"?sep=([^\r\n])\"?(\r\n?|\n)", re.IGNORECASE)
"""A first line that names the separator, as spreadsheet programs read it."""


def guess_separator(path: Path, usual: str = ",", names: Collection[str] = ()) -> str:
    """What stands between the fields of a CSV file.

    Args:
        path: Of the file.
        usual: What it is where nothing tells.
        names: Columns that it should have.

    Returns:
        What the first line says, `sep=;`; else what parts the line of names into most of those wanted, and the first
        rows into most fields, as many in each.

    Raises:
        UserError: There is no such file, it is empty, or says of itself that it is not UTF-8.
    """
    with opened(path) as file:
        text = file.read(_LOOKED_AT).decode("utf-8-sig", "replace")
    if declared := _DECLARED.match(text):
        return declared[1]

    def parts(mark: str) -> tuple[int, int]:
        try:
            rows = [row for row in islice(csv.reader(StringIO(text, newline=""), delimiter=mark), _ROWS + 1) if row]
        except csv.Error:  # a field of more than 128 KiB
            rows = []
        whole = rows[:-1] if len(text) == _LOOKED_AT else rows  # the last may be cut
        fields = {len(row) for row in whole}
        return len(set(names).intersection(*whole[:1])) if whole else 0, fields.pop() if len(fields) == 1 else 1

    return max(dict.fromkeys((usual, *_SEPARATORS)), key=parts)


def csv_reader(
    path: Path,
    block: int,
    wanted: Mapping[str, pa.DataType],
    parse: pa.csv.ParseOptions | None = None,
    **convert: Any,
) -> pa.csv.CSVStreamingReader:
    """Read a CSV file, plain or gzipped.

    Args:
        path: Of the file.
        block: Bytes of text that are parsed at a time.
        wanted: Types of the columns to read; empty for all, as they look.
        parse: How it is written.
        convert: How values are read, see `pyarrow.csv.ConvertOptions`.
    """
    with opened(path) as file:  # what is no text in UTF-8 says so
        declared = _DECLARED.match(file.peek(10)[:10].decode("utf-8", "replace"))
    stream = pa.input_stream(str(path), compression="gzip" if path.suffix.lower() == ".gz" else None)
    if declared:
        stream.read(len(declared[0].encode()))
        parse = pa.csv.ParseOptions(delimiter=declared[1], newlines_in_values=True)
    return pa.csv.open_csv(
        stream,
        # One thread: with more, pyarrow reads ahead and cannot say in which row an error is.
        pa.csv.ReadOptions(use_threads=False, block_size=block),
        parse,
        pa.csv.ConvertOptions(column_types=dict(wanted), include_columns=list(wanted), **convert),
    )


@contextmanager
def explained(path: Path, names: list[str]) -> Iterator[None]:
    """Turn what pyarrow raises into one line that counts rows as we do, from 1 under the line of names.

    Args:
        path: Of the file.
        names: All its columns, in its own order: pyarrow tells their places.
    """
    try:
        yield
    except UnicodeDecodeError:
        raise UserError(f"{path}: the first line is not UTF-8; {in_utf8(path)}") from None
    except (pa.ArrowException, *UNREADABLE) as error:
        text = str(error).splitlines()[0]
        place = re.search(r"(?:column #(\d+): )?Row #(\d+): (.*)", text)
        if place is None:
            raise UserError(f"{path}: cannot be read as CSV: {text}") from None
        column = f", column '{names[int(place[1])]}'" if place[1] else ""
        what = place[3]
        if "invalid UTF8" in what:
            what = f"not UTF-8; {in_utf8(path)}"
        elif what.startswith("Expected 1 columns"):
            what += "; the first line has to name the columns: remove lines above it, or say what `separator` is"
        raise UserError(f"{path}: row {int(place[2]) - 1}{column}: {what}") from None
