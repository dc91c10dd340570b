"""How the labels of a declared source are read: which reader each has, and one way through the file for all."""

from collections.abc import Callable, Mapping

import pyarrow as pa

from pipeline.config.sources import Separated
from pipeline.config.tasks import TaskSettings
from pipeline.data.sources.labels import LabelReader, reader_of
from pipeline.data.sources.split_by import SplitReader
from pipeline.data.tables.typed import TableFile
from pipeline.errors import UserError


def readers_of(
    source: str, tasks: Mapping[str, TaskSettings], several: Mapping[str, tuple[str, ...] | Separated]
) -> dict[str, LabelReader]:
    """A reader for each label that a task predicts.

    Args:
        source: Name of the source, for messages.
        tasks: Those that have their labels here.
        several: By label, what a multilabel task predicts at once.

    Raises:
        UserError: A task is of a kind that its label is not.
    """
    kinds: dict[str, str] = {}
    for task, settings in tasks.items():
        label = settings.label or task
        kind = kinds.setdefault(label, settings.kind)
        if (kind == "regression") != (settings.kind == "regression"):
            raise UserError(f"tasks.{task}: label '{label}' is a number for one task and a class for another")
    return {label: reader_of(label, kind, several.get(label), f"source '{source}'") for label, kind in kinds.items()}


def gather(
    file: TableFile,
    readers: Mapping[str, LabelReader],
    split_by: SplitReader,
    column: str | None = None,
    take: Callable[[int, pa.RecordBatch], None] = lambda done, batch: None,
) -> int:
    """Give all rows of a file to the readers.

    Args:
        file: The file.
        readers: Of its labels.
        split_by: Of what its rows are split by.
        column: One more column to read, as text.
        take: Is given the rows before the readers are, and how many came before them.

    Returns:
        The number of rows.

    Raises:
        UserError: There are none, or a value is none that its reader takes.
    """
    columns = {name: reader.type for reader in readers.values() for name in reader.columns} | split_by.columns
    rows = 0
    for batch in file.batches(columns | ({column: pa.string()} if column else {})):
        take(rows, batch)
        for reader in readers.values():
            reader.take(file.path, rows, batch)
        split_by.take(file.path, rows, batch)
        rows += batch.num_rows
    if not rows:
        raise UserError(f"{file.path}: no rows")
    return rows
