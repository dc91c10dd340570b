"""The labels of a declared source: which reader each has, and one way through the file for all."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from pipeline.data.sources.base import SPLITS, Declared, Part, Stream
from pipeline.data.sources.labels import ClassReader, reader_of
from pipeline.data.sources.split_by import SplitReader
from pipeline.data.tables.typed import TableFile
from pipeline.errors import UserError
from pipeline.kinds import kind_of


class Labelled:
    """Reads each label that a task predicts, and what rows are split by.

    Args:
        source: Whose labels they are; its settings say which stand in several columns, and what splits rows.
        file: Where they stand, or the first of several files.

    Attributes:
        columns: Type of each column of labels.

    Raises:
        UserError: A task is of a kind that its label is not.
    """

    def __init__(self, source: Declared, file: TableFile) -> None:
        kinds: dict[str, str] = {}
        for task, settings in source.tasks.items():
            label = settings.label or task
            kind = kinds.setdefault(label, settings.kind)
            if kind_of(kind).is_number != kind_of(settings.kind).is_number:
                raise UserError(f"tasks.{task}: label '{label}' is a number for one task and a class for another")
        several, name = source.settings.labels, f"source '{source.name}'"
        self.readers = {label: reader_of(label, kind, several.get(label), name) for label, kind in kinds.items()}
        self.columns = {name: reader.type for reader in self.readers.values() for name in reader.columns}
        self.split_by = SplitReader(source.settings)

    def take(
        self,
        file: TableFile,
        column: str | None = None,
        take: Callable[[int, pa.RecordBatch], None] = lambda done, batch: None,
    ) -> int:
        """Read all rows of a file.

        Args:
            file: The file.
            column: One more column to read, as text.
            take: Is given the rows before the readers are, and how many came before them.

        Returns:
            The number of rows.

        Raises:
            UserError: There are none, or a value is none that its reader takes.
        """
        rows = 0
        for batch in file.batches(self.columns | self.split_by.columns | ({column: pa.string()} if column else {})):
            take(rows, batch)
            for reader in self.readers.values():
                reader.take(file.path, rows, batch)
            self.split_by.take(file.path, rows, batch)
            rows += batch.num_rows
        if not rows:
            raise UserError(f"{file.path}: no rows")
        return rows

    def labels(self, learnt: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Those of all rows, by name.

        Args:
            learnt: Which rows are not given to test, bool [N]; None for all.
        """
        for reader in self.readers.values():
            reader.learnt = learnt
        return {name: reader.labels() for name, reader in self.readers.items()}

    def part(self, inputs: Stream) -> Part:
        """All rows."""
        by = self.split_by.found()
        learnt = by["split"] != SPLITS.index("test") if "split" in by else None
        return Part(inputs, self.labels(learnt), **by)

    @property
    def worded(self) -> frozenset[str]:
        """Labels whose classes are the words of the rows."""
        return frozenset(name for name, reader in self.readers.items() if isinstance(reader, ClassReader))

    @property
    def classes(self) -> dict[str, list[str]]:
        """Names of the classes of each label, once all rows are read."""
        return {name: reader.classes for name, reader in self.readers.items()}
