"""Texts to be predicted, a few at a time, from any file that holds texts or sentences."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa

from pipeline.data.conll import is_conll, sentences
from pipeline.data.sources.text import check_texts, open_texts
from pipeline.data.tables.columns import some
from pipeline.data.tables.lines import JSON, ends_with
from pipeline.data.tables.typed import separator_of
from pipeline.errors import UserError

_ROWS = 1024


def holds_text_alone(path: Path) -> bool:
    """Whether a file holds no table, by its name."""
    return is_conll(path) or ends_with(path, ".txt", *JSON)


def texts(path: Path, fields: Sequence[str]) -> Iterator[list[str]]:
    """The texts of a file, in order; tokens of a CoNLL file parted by spaces.

    Args:
        path: A `.jsonl`, `.json`, `.csv`, `.tsv`, `.parquet`, `.txt` or `.conll` file.
        fields: What the field or column with the text may be called; the first that is there is read.

    Raises:
        UserError: There is no such field, or a row has no text.
    """
    if is_conll(path):
        found = sentences(path, column=None)
        while chunk := [" ".join(sentence.tokens) for sentence in islice(found, _ROWS)]:
            yield chunk
        return
    separator = separator_of(path, names=fields)
    types = open_texts(path, fields[0], separator).types
    field = next((field for field in fields if field in types), None)
    if field is None:
        raise UserError(f"{path}: no field {some(fields)} with the text; there are {some(list(types))}")
    done = 0
    for batch in open_texts(path, field, separator).batches({field: pa.string()}):
        check_texts(path, field, done, batch)
        column = batch.column(0)
        for start in range(0, len(column), _ROWS):
            yield column.slice(start, _ROWS).to_pylist()
        done += batch.num_rows
    if not done:
        raise UserError(f"{path}: no rows")
