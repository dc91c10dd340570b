"""Columns that might give away what is to be predicted."""

from collections.abc import Sequence

import pyarrow as pa

from pipeline.data.sources.looked import LOOKED_AT
from pipeline.data.tables.typed import TableFile


def giving_away(file: TableFile, inputs: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    """Columns each of whose values goes with one value of a target, and which target that is.

    Args:
        file: The table, of which the first rows are looked at.
        inputs: Columns that might give something away.
        targets: Columns that are to be predicted.
    """
    seen: dict[tuple[str, str], dict[str, str | None]] = {(name, target): {} for name in inputs for target in targets}
    rows = 0
    for batch in file.batches(dict.fromkeys([*inputs, *targets], pa.string())):
        values = {name: batch.column(name).to_pylist() for name in (*inputs, *targets)}
        for (name, target), own in list(seen.items()):
            pairs = {pair for pair in zip(values[name], values[target], strict=True) if None not in pair}
            if any(own.setdefault(value, answer) != answer for value, answer in pairs):
                del seen[name, target]
        rows += batch.num_rows
        if rows >= LOOKED_AT or not seen:
            break
    return {name: target for (name, target), own in seen.items() if len(own) > 1}
