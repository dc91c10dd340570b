"""Rows in batches of one size, whatever the format that they are read from."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

_ROWS, _VALUES = 1 << 13, 1 << 19


def batch_rows(columns: int) -> int:
    """How many rows of so many columns are in memory at a time: at most 8,192, and 4 MiB of numbers."""
    return max(1, min(_ROWS, _VALUES // max(columns, 1)))


def rebatched(batches: Iterable[pa.RecordBatch], columns: int) -> Iterator[pa.RecordBatch]:
    """The same rows, as many in each batch but the last as `batch_rows` says."""
    rows, held = batch_rows(columns), 0
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        held += batch.num_rows
        if held < rows:
            continue
        whole = pa.concat_batches(waiting)
        for start in range(0, held - held % rows, rows):
            yield whole.slice(start, rows)
        held %= rows
        waiting = [whole.slice(whole.num_rows - held)] if held else []
    if waiting:
        yield pa.concat_batches(waiting)
