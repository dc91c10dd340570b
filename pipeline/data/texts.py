"""Texts to be predicted, a few at a time, from any file that holds texts or sentences."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline.data.conll import is_conll, sentences
from pipeline.data.sources.text import check_texts, open_texts
from pipeline.data.tables.columns import Columns, some
from pipeline.data.tables.lines import JSON, Lines, ends_with
from pipeline.data.tables.rows import Batch, Rows
from pipeline.data.tables.typed import TableFile, separator_of
from pipeline.errors import UserError

TEXT = "text"
"""The one column of text that a model reads."""
_ROWS = 1024


def holds_text_alone(path: Path) -> bool:
    """Whether a file holds no table, by its name."""
    return is_conll(path) or ends_with(path, ".txt", *JSON)


def open_text_rows(path: Path, fields: Sequence[str]) -> Rows:
    """Open the texts of a file, in order; tokens of a CoNLL file parted by spaces.

    Args:
        path: A `.jsonl`, `.json`, `.csv`, `.tsv`, `.parquet`, `.txt` or `.conll` file.
        fields: What the field or column with the text may be called; the first that is there is read.

    Raises:
        UserError: There is no such field, or a row has no text.
    """
    if is_conll(path):
        found = sentences(path, column=None)
        chunks = iter(lambda: [" ".join(sentence.tokens) for sentence in islice(found, _ROWS)], [])
        return Rows(Columns([TEXT], []), None, map(_batch, chunks))
    separator = separator_of(path, names=fields)
    types = open_texts(path, fields[0], separator).types
    field = next((field for field in fields if field in types), None)
    if field is None:
        raise UserError(f"{path}: no field {some(fields)} with the text; there are {some(list(types))}")
    file = open_texts(path, field, separator)
    table = None if isinstance(file, Lines) else file
    return Rows(Columns([field], [name for name in types if name != field]), None, _batches(file, field), file=table)


def _batches(file: TableFile, field: str) -> Iterator[Batch]:
    done = 0
    for batch in file.batches({field: pa.string()}):
        check_texts(file.path, field, done, batch)
        column = batch.column(0)
        for start in range(0, len(column), _ROWS):
            yield _batch(column.slice(start, _ROWS).to_pylist())
        done += batch.num_rows
    if not done:
        raise UserError(f"{file.path}: no rows")


def _batch(texts: Sequence[str]) -> Batch:
    return Batch(pd.DataFrame({TEXT: pd.Series(texts, dtype=object)}))
