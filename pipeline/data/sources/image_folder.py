"""A folder of images: what lies in it, and which image a row of a label file is about."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
_TABLES = (".csv", ".tsv", ".parquet", ".jsonl")
_OF_SYSTEMS = {"__macosx", "@eadir", "$recycle.bin", "thumbs.db", "ehthumbs.db", "desktop.ini"}
"""Files and folders that operating systems leave beside those of users, in small letters."""


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder and of the folders in it, also of those that are links.

    Attributes:
        path: Of the folder.
        names: Paths of the images within it, sorted.
        left_out: Paths of all else within it, by kind.
    """

    path: Path
    names: list[str]
    left_out: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path) -> "ImageFolder":
        """Look for images; hidden files and folders, and those of operating systems, are left out.

        Raises:
            UserError: There is no such folder, no image in it, or a link that leads nowhere or in a circle.
        """
        if not path.is_dir():
            raise UserError(f"{path}: no such folder")
        names: list[str] = []
        left_out: dict[str, list[str]] = defaultdict(list)
        try:
            _search(path, "", (path.resolve(),), names, left_out)
        except OSError as error:
            raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from None
        found = cls(path, sorted(names), left_out)
        if not names:
            raise UserError("; ".join([f"{path}: no image in this folder, nor a .parquet file", *found.notes]))
        return found

    @property
    def notes(self) -> list[str]:
        """A line about what was left out, if anything was."""
        kinds = [f"{kind}: {len(names):,} ({some(names)})" for kind, names in sorted(self.left_out.items())]
        return [f"left out of {self.path.name}: {'; '.join(kinds)}"] if kinds else []

    def within(self, name: str, table: Path) -> str:
        """The path within this folder of what a label file names: from here, from that file's folder, or absolute."""
        here, there = (os.path.abspath(it) for it in (self.path, table.parent / name))
        return there[len(here) + 1 :] if there.startswith(f"{here}/") else os.path.normpath(name)

    def classes(self) -> tuple[np.ndarray, list[str], np.ndarray | None]:
        """The class of each image by the folder that it lies in.

        Returns:
            The classes int64 [N], their names, and the splits int8 [N] where the outermost folders are called train,
            validation and test.

        Raises:
            UserError: An image lies in no folder.
        """
        parts = [PurePosixPath(name).parts for name in self.names]
        outermost = {part[0].lower() for part in parts}
        splits = outermost <= set(WORDS) and 0 in map(WORDS.get, outermost)
        depth = 1 if splits else 0
        for name, part in zip(self.names, parts, strict=True):
            if len(part) < depth + 2:
                tables = [self.path / it for end in _TABLES for it in self.left_out.get(f"no image, {end}", ())]
                raise UserError(
                    f"{self.path / name}: lies in no class's folder: without a labels_file, images are "
                    f"{'train/' if splits else ''}CLASS/NAME in {self.path.name}"
                    + (f"; if {tables[0]} has the labels, name it (--labels in headway init)" if tables else "")
                )
        found = sorted({part[depth] for part in parts})
        code = {name: place for place, name in enumerate(found)}
        classes = np.array([code[part[depth]] for part in parts], np.int64)
        return classes, found, np.array([WORDS[part[0].lower()] for part in parts], np.int8) if splits else None


def _search(
    folder: Path, within: str, above: tuple[Path, ...], names: list[str], left_out: Mapping[str, list[str]]
) -> None:
    """Find the images in a folder.

    Args:
        folder: To be looked into.
        within: Its path within the folder that was looked into first, with a `/` behind; empty for that folder.
        above: The folders that lead to it and itself, without links.
        names: Takes the paths of images.
        left_out: Takes the paths of all else, by kind.
    """
    before = len(names)
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name, path = f"{within}{entry.name}", folder / entry.name
        if name != name.encode(errors="replace").decode():
            raise UserError(f"{folder}: the name {os.fsencode(entry.name)!r} is not UTF-8: rename it")
        if entry.name.startswith(".") or entry.name.lower() in _OF_SYSTEMS:
            left_out["hidden"].append(name)
        elif entry.is_dir():
            inside = path.resolve() if entry.is_symlink() else above[-1] / entry.name
            if entry.is_symlink() and any(it.is_relative_to(inside) for it in above):
                raise UserError(f"{path}: a link that leads back to {inside}, in which it lies: remove the link")
            _search(path, f"{name}/", (*above, inside), names, left_out)
        elif not entry.is_file():
            if entry.is_symlink():
                raise UserError(f"{path}: a link to {os.readlink(path)}, which is not there: remove the link")
            left_out["neither file nor folder"].append(name)
        elif is_image(path):
            names.append(name)
        else:
            left_out[f"no image, {path.suffix or 'without a suffix'}"].append(name)
    if within and len(names) == before:
        left_out["folder without an image"].append(within.rstrip("/"))


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
        self._folded = _loosely(map(_folded, folder.names))
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
        whole = name if name in self._exact else self._folder.within(name, self._table)
        if whole.startswith(("/", "../")) or "\\" in name:
            raise UserError(f"{where}: '{name}' leads out of {self._folder.path}: give a path within it, with /")
        place = self._exact.get(whole, self._loose.get(whole, self._folded.get(_folded(whole))))
        if place == _AMBIGUOUS:
            raise UserError(
                f"{where}: '{name}' is the name of several images: give the path within {self._folder.path}"
            )
        return place


def _loosely(names: Iterable[str]) -> dict[str, int]:
    """Images by path, by name alone, and by either without the ending."""
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        path = PurePosixPath(name)
        for short in {name, path.name, path.stem, path.with_suffix("").as_posix()}:
            found[short] = _AMBIGUOUS if short in found else place
    return found


def _folded(name: str) -> str:
    """A name as file systems compare it that know no case, and write accents apart."""
    return unicodedata.normalize("NFC", name).casefold()


def same_image(folder: ImageFolder, table: Path, ids: Iterable[str]) -> int:
    """How many of some ids in a label file are paths, names, or names without an ending of images."""
    known = _loosely(map(_folded, folder.names))
    return sum(_folded(it) in known or _folded(folder.within(it, table)) in known for it in ids if it)
