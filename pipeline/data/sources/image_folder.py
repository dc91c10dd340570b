"""A folder of images: what lies in it, and which image a row of a label file is about."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from pipeline.data.decoding import is_image
from pipeline.data.sources.base import Report
from pipeline.data.sources.split_by import WORDS
from pipeline.data.tables.columns import some
from pipeline.data.tables.typed import place_of
from pipeline.errors import UserError

_AMBIGUOUS = -1


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder and of the folders in it.

    Attributes:
        path: Of the folder.
        names: Paths of the images within it, sorted.
    """

    path: Path
    names: list[str]

    @classmethod
    def of(cls, path: Path) -> "ImageFolder":
        """Look for images; hidden files and folders are passed over.

        Raises:
            UserError: There is no such folder, no image in it, or a link leads out of it.
        """
        if not path.is_dir():
            raise UserError(f"{path}: no such folder")
        root, names = path.resolve(), []
        for folder, inner, files in os.walk(path, onerror=_unreadable):
            inner[:] = [name for name in inner if name[0] != "."]
            for name in filter(is_image, files):
                file = Path(folder, name)
                if file.is_symlink() and not file.resolve().is_relative_to(root):
                    raise UserError(f"{file}: a link that leads out of the folder, to {file.resolve()}")
                names.append(file.relative_to(path).as_posix())
        if not names:
            raise UserError(f"{path}: no image in this folder")
        return cls(path, sorted(names))

    def classes(self) -> tuple[np.ndarray, list[str], np.ndarray | None]:
        """The class of each image by the folder that it lies in.

        Returns:
            The classes int64 [N], their names, and the splits int8 [N] where the outermost folders are called train,
            validation and test.

        Raises:
            UserError: An image lies in no folder.
        """
        parts = [PurePosixPath(name).parts for name in self.names]
        outermost = {part[0] for part in parts}
        splits = "train" in outermost and outermost <= set(WORDS)
        depth = 1 if splits else 0
        for name, part in zip(self.names, parts, strict=True):
            if len(part) < depth + 2:
                raise UserError(
                    f"{self.path / name}: lies in no class's folder: without a labels_file, images are "
                    f"{'train/' if splits else ''}CLASS/NAME in {self.path.name}"
                )
        found = sorted({part[depth] for part in parts})
        code = {name: place for place, name in enumerate(found)}
        classes = np.array([code[part[depth]] for part in parts], np.int64)
        return classes, found, np.array([WORDS[part[0]] for part in parts], np.int8) if splits else None


def _unreadable(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from None


class Matched:
    """Finds the image of each row of a label file.

    Args:
        folder: Of the images.
        table: Path of the label file, for messages.
        column: Which of its columns names the image.
    """

    def __init__(self, folder: ImageFolder, table: Path, column: str) -> None:
        self._folder, self._table, self._column = folder, table, column
        self._exact = {name: place for place, name in enumerate(folder.names)}
        self._loose = _loosely(folder.names)
        self._row_of = np.zeros(len(folder.names), np.int64)  # counted from 1
        self._without: list[str] = []
        self.names: list[str] = []

    def take(self, done: int, batch: pa.RecordBatch) -> None:
        """The next rows.

        Raises:
            UserError: A row names no image, one outside the folder, more than one, or one that an earlier row named.
        """
        for row, name in enumerate(batch.column(self._column).to_pylist()):
            where = place_of(self._table, done, row, self._column)
            if not name:
                raise UserError(f"{where}: empty: give the image's name")
            place = self._place(where, name)
            if place is None:
                self._without.append(f"{name} (row {done + row + 1})")
                continue
            if first := self._row_of[place]:
                raise UserError(f"{where}: '{name}' is the image of row {first} already: keep one of the two rows")
            self._row_of[place] = done + row + 1
            self.names.append(self._folder.names[place])

    def finish(self, report: Report) -> None:
        """Tell of images without a row, which are left out.

        Raises:
            UserError: Rows name images that are not there.
        """
        if self._without:
            count = len(self._without)
            what = "this image is" if count == 1 else f"{count:,} images are"
            raise UserError(
                f"{self._table}: {what} not in {self._folder.path}: {some(self._without)}; "
                "add the images, or take the rows out"
            )
        left = [name for name, row in zip(self._folder.names, self._row_of, strict=True) if not row]
        if left:
            names = f"{len(left):,} ({some(left)})"
            report(f"{self._folder.path}: images left out, without a row in {self._table.name}: {names}")

    def _place(self, where: str, name: str) -> int | None:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise UserError(f"{where}: '{name}' leads out of {self._folder.path}: give a path within it, with /")
        place = self._exact.get(path.as_posix(), self._loose.get(path.as_posix()))
        if place == _AMBIGUOUS:
            raise UserError(
                f"{where}: '{name}' is the name of several images: give the path within {self._folder.path}"
            )
        return place


def _loosely(names: Iterable[str]) -> dict[str, int]:
    """Images by name alone, and by name or path without the ending."""
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        path = PurePosixPath(name)
        for short in {path.name, path.stem, path.with_suffix("").as_posix()} - {name}:
            found[short] = _AMBIGUOUS if short in found else place
    return found


def same_image(names: Iterable[str], ids: Iterable[str]) -> int:
    """How many of some ids are paths, names, or names without an ending of images."""
    exact = set(names)
    loose = _loosely(exact)
    return sum(it in exact or it in loose for it in ids)
