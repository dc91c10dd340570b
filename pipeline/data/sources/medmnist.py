"""Images in MedMNIST's layout: one npz file with train, validation and test rows (Yang et al. 2023).

Images are `<split>_images` [N, H, W] or [N, H, W, 3], labels `<split>_labels` [N, 1], a class, or [N, L], 0 or 1 each.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.sources import MedMnistSettings
from pipeline.data.sources import download, idx, npz
from pipeline.data.sources.base import Declared, Examples, Fingerprint, Part, Place, Report, Streamed, package_folder
from pipeline.errors import Failure, UserError

_SPLITS = ("train", "val", "test")
_CLASS, _FINDINGS, _ANY = "class", "findings", "any"
_MOST_CLASSES = 10_000
_BYTES = 1 << 24  # of pixels at a time


@dataclass(frozen=True)
class MedMnist(Declared):
    """A file, or one of MedMNIST's sets to download."""

    settings: MedMnistSettings

    def fingerprint(self, place: Place) -> Fingerprint:
        """The file's sha256; of a download, the md5 that it must have."""
        if self.settings.name:
            return Fingerprint({f"{self.settings.name}.npz": f"md5:{self._known()['MD5']}"})
        return Fingerprint({"npz": idx.checksum(self._path(place))})

    def read(self, place: Place, report: Report) -> Examples:
        """Read labels; images are streams."""
        path = self._path(place)
        if self.settings.name:
            about = self._known()
            download.fetch(path, about["MD5"], [about["url"].split("?")[0].rsplit("/", 1)[0]], report)
        arrays = npz.members(path)
        if missing := [name for it in _SPLITS for name in (f"{it}_images", f"{it}_labels") if name not in arrays]:
            raise UserError(
                f"{path}: no array '{missing[0]}'; MedMNIST's layout is train_images, train_labels, val_images, "
                f"val_labels, test_images and test_labels, found {', '.join(arrays) or 'none'}"
            )
        images = {it: arrays[f"{it}_images"] for it in _SPLITS}
        _check_alike(path, images)
        labels = {it: _labels(arrays[f"{it}_labels"], images[it]) for it in _SPLITS}
        if len(counts := {values.shape[1] for values in labels.values()}) > 1:
            raise UserError(f"{path}: rows have {' or '.join(map(str, sorted(counts)))} labels, not equally many")
        own, names = self._named(path, labels)
        split = np.repeat([0, 1], [len(labels["train"]), len(labels["val"])]).astype(np.int8)
        first = {name: np.concatenate([own["train"][name], own["val"][name]]) for name in names}
        train = Part(_stream([images["train"], images["val"]]), first, split=split)
        return Examples(train, Part(_stream([images["test"]]), own["test"]), names, scale=255.0)

    def _path(self, place: Place) -> Path:
        if self.settings.name:
            return place.downloads / "MedMNIST" / f"{self.settings.name}.npz"
        assert self.settings.path is not None
        path = place.of(self.settings.path)
        if not path.is_file():
            raise UserError(
                f"{path}: no such file: set data.root to the folder that it lies in, or sources.{self.name}.path"
            )
        return path

    def _known(self) -> dict[str, Any]:
        """What MedMNIST says of a set of its own."""
        sets = _sets()
        if self.settings.name not in sets:
            raise UserError(f"sources.{self.name}.name: MedMNIST has no '{self.settings.name}', only {', '.join(sets)}")
        return sets[self.settings.name]

    def _named(
        self, path: Path, labels: dict[str, np.ndarray]
    ) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, list[str]]]:
        """Labels by split and name, and the names of classes or findings."""
        several = labels["train"].shape[1] > 1
        largest = max(int(values.max()) for values in labels.values())
        count = labels["train"].shape[1] if several else largest + 1
        classes = self._classes(count)
        if len(classes) < count or (several and len(classes) > count):
            raise UserError(f"sources.{self.name}.classes: {len(classes)} names, and {path} has {count}")
        if not several:
            return {it: {_CLASS: values[:, 0].astype(np.int64)} for it, values in labels.items()}, {_CLASS: classes}
        if largest > 1:
            raise UserError(f"{path}: one of several labels is {largest}, neither 0 nor 1")
        own = {
            it: {_FINDINGS: values.astype(np.float32), _ANY: np.any(values, 1).astype(np.int64)}
            for it, values in labels.items()
        }
        return own, {_FINDINGS: classes, _ANY: ["none", "some"]}

    def _classes(self, count: int) -> list[str]:
        if self.settings.classes:
            return list(self.settings.classes)
        if self.settings.name:
            return [str(name) for name in self._known()["label"].values()]
        return [str(index) for index in range(count)]


def _stream(arrays: list[npz.Member]) -> Streamed:
    """The images of some arrays, one array after another."""
    return Streamed(sum(array.shape[0] for array in arrays), partial(_images, arrays))


def _images(arrays: list[npz.Member]) -> Iterator[np.ndarray]:
    """uint8 [B, H, W] or [B, 3, H, W]."""
    for array in arrays:
        for chunk in array.chunks(max(1, _BYTES // int(np.prod(array.shape[1:])))):
            yield chunk if chunk.ndim == 3 else chunk.transpose(0, 3, 1, 2)


def _check_alike(path: Path, images: dict[str, npz.Member]) -> None:
    for it, member in images.items():
        coloured = len(member.shape) == 4 and member.shape[3] == 3
        if member.dtype != np.uint8 or not (coloured or len(member.shape) == 3):
            raise UserError(
                f"{path}: '{it}_images' is {member.dtype} {' x '.join(map(str, member.shape))}; "
                "images are uint8 rows x height x width, or with x 3 of colour"
            )
        if member.shape[1:] != images["train"].shape[1:]:
            shapes = [" x ".join(map(str, one.shape[1:])) for one in (member, images["train"])]
            raise UserError(f"{path}: '{it}_images' has images of {shapes[0]}, 'train_images' of {shapes[1]}")


def _labels(labels: npz.Member, images: npz.Member) -> np.ndarray:
    """Whole numbers [N, L], from 0."""
    where = f"{labels.path}: '{labels.name}'"
    if len(labels.shape) > 2 or labels.shape[0] != images.shape[0]:
        shape = " x ".join(map(str, labels.shape))
        raise UserError(f"{where} is {shape}; for {images.shape[0]} images it has so many rows, of one or more labels")
    values = labels.array().reshape(labels.shape[0], -1)
    if (wrong := (values < 0) | (values >= _MOST_CLASSES)).any():
        row, column = np.argwhere(wrong)[0]
        raise UserError(f"{where}: row {row + 1}: label {values[row, column]} is none from 0 to {_MOST_CLASSES - 1}")
    return values


def _sets() -> dict[str, dict[str, Any]]:
    """MedMNIST's own list, read from its file alone: the package would import torch and more."""
    folder = package_folder("medmnist")
    if folder is None:
        raise Failure("sources of kind medmnist with a name need the package medmnist: pip install 'headway[medmnist]'")
    spec = importlib.util.spec_from_file_location("_medmnist_info", folder / "info.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.INFO
