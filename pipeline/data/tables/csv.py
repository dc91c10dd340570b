"""CSV files, plain or gzipped, read in blocks."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from pipeline.data.tables.lines import UNREADABLE, opened
from pipeline.errors import UserError


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
    with opened(path):  # what is no text in UTF-8 says so
        pass
    return pa.csv.open_csv(
        pa.input_stream(str(path), compression="gzip" if path.suffix.lower() == ".gz" else None),
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
        raise UserError(f"{path}: the first line is not UTF-8; save the file as UTF-8") from None
    except (pa.ArrowException, *UNREADABLE) as error:
        text = str(error).splitlines()[0]
        place = re.search(r"(?:column #(\d+): )?Row #(\d+): (.*)", text)
        if place is None:
            raise UserError(f"{path}: cannot be read as CSV: {text}") from None
        column = f", column '{names[int(place[1])]}'" if place[1] else ""
        raise UserError(f"{path}: row {int(place[2]) - 1}{column}: {place[3]}") from None
