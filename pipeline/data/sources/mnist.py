"""MNIST and the data sets made in its image (28 x 28 grey, ten classes, IDX files)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data.sources import download, idx
from pipeline.data.sources.base import Examples, Fingerprint, Part, Place, Report
from pipeline.errors import UserError

_STEMS = {"train": "train", "test": "t10k"}
_IMAGE = (28, 28)


@dataclass(frozen=True)
class MnistLike:
    """One of the family.

    Attributes:
        folder: Its folder under the root, as torchvision names it (also the name of torchvision's class).
        label: Name of its one label.
        classes: Names of the classes in order.
        md5: Of each official `.gz` file, by the name without `.gz`: torchvision's (a test holds it), written down here
            so that a fingerprint need not import torchvision.
        mirrors: Where its files can be downloaded; None means torchvision's mirrors.
    """

    folder: str
    label: str
    classes: tuple[str, ...]
    md5: Mapping[str, str]
    mirrors: tuple[str, ...] | None = None

    def fingerprint(self, place: Place) -> Fingerprint:
        """The sha256 of each file; of a download, done or still to come, the md5 that it must have."""
        if _is_download(place):
            return Fingerprint({name: f"md5:{md5}" for name, md5 in self.md5.items()})
        files = self._found(place)
        notes = self._notes(files) if place.variant == "full" else []
        return Fingerprint({name: idx.checksum(path) for name, path in files.items()}, notes)

    def read(self, place: Place, report: Report) -> Examples:
        """Read both parts from IDX files, downloading them first where they are neither shipped nor given."""
        files = self._downloaded(place, report) if _is_download(place) else self._found(place)
        parts = {split: self._part(files, stem) for split, stem in _STEMS.items()}
        return Examples(parts["train"], parts["test"], {self.label: list(self.classes)}, scale=255.0)

    def _found(self, place: Place) -> dict[str, Path]:
        root = place.shipped if place.variant == "sample" else place.root
        assert root is not None
        return {name: idx.find(root / self.folder / "raw", name) for name in self.md5}

    def _downloaded(self, place: Place, report: Report) -> dict[str, Path]:
        folder = place.downloads / self.folder / "raw"
        files = {name: folder / f"{name}.gz" for name in self.md5}
        missing = [name for name, path in files.items() if not download.intact(path, self.md5[name])]
        if missing:
            report(f"{self.folder}: {len(missing)} of {len(files)} files to download into {folder}")
            mirrors = self.mirrors or _torchvision_mirrors(self.folder)
            for name in missing:
                download.fetch(files[name], self.md5[name], mirrors, report)
        return files

    def _notes(self, files: dict[str, Path]) -> list[str]:
        """What cannot be said of the user's files: that they are the official ones."""
        packed = {name: path for name, path in files.items() if path.suffix == ".gz"}
        other = [path.name for name, path in packed.items() if idx.checksum(path, "md5") != self.md5[name]]
        raw = [path.name for name, path in files.items() if name not in packed]
        notes = []
        if other:
            notes.append(f"unofficial checksum, accepted on their structure: {', '.join(other)}")
        if raw:
            notes.append(f"not gzipped, so not held against the official checksums: {', '.join(raw)}")
        return notes

    def _part(self, files: dict[str, Path], stem: str) -> Part:
        images_file, labels_file = files[f"{stem}-images-idx3-ubyte"], files[f"{stem}-labels-idx1-ubyte"]
        labels = idx.read(labels_file)
        if labels.max() >= len(self.classes):
            row = int(np.argmax(labels >= len(self.classes)))
            raise UserError(
                f"{labels_file}: label {labels[row]} of row {row} is out of range 0 to {len(self.classes) - 1}"
            )
        images = idx.read(images_file, _IMAGE)
        if len(images) != len(labels):
            raise UserError(f"{images_file} has {len(images)} images, {labels_file} {len(labels)} labels")
        return Part(images, {self.label: labels.astype(np.int64)})


def _is_download(place: Place) -> bool:
    return place.variant == "full" and place.root is None


def _torchvision_mirrors(folder: str) -> tuple[str, ...]:
    import torchvision.datasets  # seconds, and needed for a download only

    return tuple(getattr(torchvision.datasets, folder).mirrors)


MNIST = MnistLike(
    "MNIST",
    "digit",
    tuple("0123456789"),
    {
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    },
)
FASHION_MNIST = MnistLike(
    "FashionMNIST",
    "garment",
    ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle_boot"),
    {
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    },
)
