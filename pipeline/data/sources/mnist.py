"""MNIST and the data sets made in its image (28 x 28 grey, ten classes, IDX files)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data.sources import idx
from pipeline.data.sources.base import Examples, Fingerprint, Part, Place, Report
from pipeline.errors import UserError

_STEMS = {"train": "train", "test": "t10k"}
_SIDE = 28


@dataclass(frozen=True)
class MnistLike:
    """One of the family.

    Attributes:
        folder: Its folder under the root, as torchvision names it (also the name of torchvision's class).
        label: Name of its one label.
        classes: Names of the classes in order.
    """

    folder: str
    label: str
    classes: tuple[str, ...]

    def fingerprint(self, place: Place) -> Fingerprint:
        """The sha256 of each file; for a download still to come, the md5 it must have."""
        return Fingerprint({name: idx.sha256(path) for name, path in self._files(place).items()})

    def read(self, place: Place, report: Report) -> Examples:
        """Read both parts from IDX files."""
        files = self._files(place)
        parts = {split: self._part(files, stem) for split, stem in _STEMS.items()}
        return Examples(parts["train"], parts["test"], {self.label: list(self.classes)}, scale=255.0)

    def _files(self, place: Place) -> dict[str, Path]:
        root = place.shipped if place.variant == "sample" else place.root
        if root is None:
            raise UserError("data.variant=full needs data.root for now")
        folder = root / self.folder / "raw"
        stems = [f"{stem}-{kind}" for stem in _STEMS.values() for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
        return {stem: idx.find(folder, stem) for stem in stems}

    def _part(self, files: dict[str, Path], stem: str) -> Part:
        images_file, labels_file = files[f"{stem}-images-idx3-ubyte"], files[f"{stem}-labels-idx1-ubyte"]
        images, labels = idx.read(images_file, 3), idx.read(labels_file, 1)
        if images.shape[1:] != (_SIDE, _SIDE):
            raise UserError(f"{images_file}: images are {_SIDE} x {_SIDE}, found {images.shape[1]} x {images.shape[2]}")
        if len(images) != len(labels):
            raise UserError(f"{images_file} has {len(images)} images, {labels_file} {len(labels)} labels")
        if len(labels) and labels.max() >= len(self.classes):
            row = int(np.argmax(labels >= len(self.classes)))
            raise UserError(
                f"{labels_file}: label {labels[row]} of row {row} is out of range 0 to {len(self.classes) - 1}"
            )
        return Part(images, {self.label: labels.astype(np.int64)})


MNIST = MnistLike("MNIST", "digit", tuple("0123456789"))
FASHION_MNIST = MnistLike(
    "FashionMNIST",
    "garment",
    ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle_boot"),
)
