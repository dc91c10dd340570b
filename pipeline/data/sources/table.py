"""A table of one's own: a CSV file, a Parquet file, or a folder of Parquet files.

It is read several times from beginning to end, and never lies in memory: first the labels, then the statistics of the
training rows' inputs, then the inputs themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.config.sources import TableSettings
from pipeline.data.encodings.columns import ColumnsEncoder, types_of
from pipeline.data.sources import idx
from pipeline.data.sources.base import Declared, Examples, Fingerprint, Part, Place, Report, Streamed
from pipeline.data.sources.chosen import chosen
from pipeline.data.sources.labels import LabelReader
from pipeline.data.sources.reading import gather, readers_of
from pipeline.data.sources.split_by import SplitReader
from pipeline.data.tables.typed import TableFile, open_table
from pipeline.errors import UserError


@dataclass(frozen=True)
class Table(Declared):
    """A declared table."""

    settings: TableSettings

    def fingerprint(self, place: Place) -> Fingerprint:
        """The sha256 of every file, by its path within the folder."""
        file = self._open(place)
        folder = file.path if file.path.is_dir() else file.path.parent
        return Fingerprint({str(path.relative_to(folder)): idx.checksum(path) for path in file.files()})

    def read(self, place: Place, report: Report) -> Examples:
        """Read labels, and what rows are split by; inputs are a stream."""
        file = self._open(place)
        readers = readers_of(self.name, self.tasks, self.settings.labels)
        self._check_inputs(readers)
        split_by = SplitReader.of(self.settings, file)
        taken = {column for reader in readers.values() for column in reader.columns} | set(split_by.columns)
        inputs = chosen(self.name, self.settings, file, taken, report)
        rows = gather(file, readers, split_by)
        labels = {name: reader.labels() for name, reader in readers.items()}
        stream = Streamed(rows, lambda: file.batches(types_of(inputs)))
        part = Part(stream, labels, **split_by.found())
        it = self.settings
        encoder = ColumnsEncoder(self.name, file.path, inputs, it.categories, rows, it.clip, it.separator, it.missing)
        return Examples(part, None, {name: reader.classes for name, reader in readers.items()}, encoder=encoder)

    def _open(self, place: Place) -> TableFile:
        return open_table(place.of(self.settings.path), self.settings.separator, self.settings.missing)

    def _check_inputs(self, readers: Mapping[str, LabelReader]) -> None:
        """No label may be an input: the network would only have to copy it."""
        labels = {column for reader in readers.values() for column in reader.columns}
        if both := [column for column in self.settings.inputs if column in labels]:
            raise UserError(f"sources.{self.name}.inputs: '{both[0]}' is what a task predicts: take it out of inputs")
