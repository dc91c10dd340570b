"""A table of one's own: a CSV file, a Parquet file, or a folder of Parquet files.

It is read several times from beginning to end, and never lies in memory: first the labels, then the statistics of the
training rows' inputs, then the inputs themselves.
"""

from dataclasses import dataclass

from pipeline.config.sources import TableSettings
from pipeline.data.encodings.columns import ColumnsEncoder, types_of
from pipeline.data.encodings.values import NumberFormat
from pipeline.data.sources import idx
from pipeline.data.sources.base import Declared, Examples, Fingerprint, Place, Report, Streamed
from pipeline.data.sources.chosen import chosen
from pipeline.data.sources.reading import Labelled
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
        found = Labelled(self, file)
        if both := [column for column in self.settings.inputs if column in found.columns]:
            raise UserError(f"sources.{self.name}.inputs: '{both[0]}' is what a task predicts: take it out of inputs")
        inputs = chosen(self.name, self.settings, file, found.columns | found.split_by.columns, report)
        rows = found.take(file)
        part = found.part(Streamed(rows, lambda: file.batches(types_of(inputs))))
        it = self.settings
        encoder = ColumnsEncoder(
            self.name,
            file.path,
            inputs,
            it.categories,
            rows,
            it.clip,
            it.separator,
            it.missing,
            NumberFormat(it.decimal, it.thousands),
        )
        return Examples(part, None, found.classes, encoder=encoder, worded=found.worded)

    def _open(self, place: Place) -> TableFile:
        it = self.settings
        return open_table(place.of(it.path), it.separator, it.missing, spelling=NumberFormat(it.decimal, it.thousands))
