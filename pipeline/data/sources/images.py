"""Images of one's own: a folder, and a file with the labels of each, or a folder for each class.

Names and labels are read first; pixels are a stream, a few images at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config.sources import ImagesSettings
from pipeline.data.decoding import decoded
from pipeline.data.sources import checksums, idx
from pipeline.data.sources.base import Declared, Examples, Fingerprint, Part, Place, Report
from pipeline.data.sources.image_folder import ImageFolder, Matched
from pipeline.data.sources.reading import Labelled
from pipeline.data.tables.typed import TableFile, open_table
from pipeline.errors import UserError

CLASS = "class"
"""The one label of images that lie in a folder for each class."""
_WHITE = 255.0
_BYTES = 1 << 24  # of pixels at a time


@dataclass(frozen=True)
class Images(Declared):
    """A declared folder of images."""

    settings: ImagesSettings

    def fingerprint(self, place: Place) -> Fingerprint:
        """One checksum of all images, and one of each file of labels."""
        folder = ImageFolder.of(place.of(self.settings.path))
        found = {"images": checksums.checksum(folder.path, folder.names, place)}
        if self.settings.labels_file:
            found |= {f"labels/{path.name}": idx.checksum(path) for path in self._table(place).files()}
        return Fingerprint(found, folder.notes)

    def read(self, place: Place, report: Report) -> Examples:
        """Read labels, and what rows are split by; images are a stream."""
        folder = ImageFolder.of(place.of(self.settings.path))
        if not self.settings.labels_file:
            labels, classes, split = folder.classes()
            part = Part(self._stream(folder.path, folder.names), {CLASS: labels}, split=split)
            return Examples(part, None, {CLASS: classes}, _WHITE, resized=self.settings.size is not None)
        return self._labelled(folder, self._table(place), report)

    def _labelled(self, folder: ImageFolder, table: TableFile, report: Report) -> Examples:
        """The images that a table names, in its order, with their labels and the names of classes."""
        assert self.settings.id is not None
        found, matched = Labelled(self, table), Matched(folder, table.path, self.settings.id)
        found.take(table, self.settings.id, matched.take)
        matched.finish(report)
        part = found.part(self._stream(folder.path, matched.names, table.path))
        resized = self.settings.size is not None
        return Examples(part, None, found.classes, _WHITE, resized=resized, worded=found.worded)

    def _table(self, place: Place) -> TableFile:
        assert self.settings.labels_file is not None
        path = place.of(self.settings.labels_file)
        inside = place.of(self.settings.path) / self.settings.labels_file
        return open_table(inside if inside.exists() and not path.exists() else path, self.settings.separator)

    def _stream(self, folder: Path, names: list[str], table: Path | None = None) -> "ImageFiles":
        return ImageFiles(self.name, folder, names, self.settings, table)


@dataclass(frozen=True)
class ImageFiles:
    """Image files, decoded anew each time.

    Attributes:
        source: Name of the source, for messages.
        folder: Where they lie.
        names: Their paths within it, in the order of the rows.
        settings: How they are read.
        table: The file that names them, if any, for messages.
    """

    source: str
    folder: Path
    names: list[str]
    settings: ImagesSettings
    table: Path | None = None

    def __len__(self) -> int:
        return len(self.names)

    def chunks(self) -> Iterator[np.ndarray]:
        """uint8 [B, H, W] or [B, 3, H, W].

        Raises:
            UserError: An image is broken, or of another size than the first.
        """
        first = self._pixels(0)
        rows = max(1, _BYTES // first.size)
        for start in range(0, len(self), rows):
            stop = min(start + rows, len(self))
            chunk = np.empty((stop - start, *first.shape), np.uint8)
            for row in range(start, stop):
                pixels = self._pixels(row)
                if pixels.shape != first.shape:
                    raise UserError(self._unlike(row, pixels, first))
                chunk[row - start] = pixels
            yield chunk

    def _pixels(self, row: int) -> np.ndarray:
        try:
            return decoded(self.folder / self.names[row], self.settings.channels, self.settings.size)
        except UserError as error:
            raise UserError(f"{self.table}: row {row + 1}: {error}" if self.table else str(error)) from None

    def _unlike(self, row: int, pixels: np.ndarray, first: np.ndarray) -> str:
        (height, width), (own_height, own_width) = first.shape[-2:], pixels.shape[-2:]
        where = f"{self.table}: row {row + 1}: " if self.table else ""
        return (
            f"{where}{self.folder / self.names[row]} has {own_height} x {own_width} pixels, {self.names[0]} has "
            f"{height} x {width}: set sources.{self.source}.size=[{height},{width}] to resize all images"
        )
