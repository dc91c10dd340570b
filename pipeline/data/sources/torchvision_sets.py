"""torchvision's classification data sets, by the names of their classes."""

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.sources import TorchvisionSettings
from pipeline.data.decoding import Channels, as_array
from pipeline.data.sources import checksums
from pipeline.data.sources.base import Declared, Examples, Fingerprint, Part, Place, Report
from pipeline.errors import Failure, UserError

_FLAG = ({"train": True}, None, {"train": False})
_TWO = ({"split": "train"}, None, {"split": "test"})
_THREE = ({"split": "train"}, {"split": "val"}, {"split": "test"})
_VALID = ({"split": "train"}, {"split": "valid"}, {"split": "test"})
SETS: dict[str, tuple[dict[str, Any] | None, ...]] = {
    **dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST", "USPS", "CIFAR10", "CIFAR100"), _FLAG),
    **dict.fromkeys(("SVHN", "STL10", "GTSRB", "Food101"), _TWO),
    **dict.fromkeys(("Flowers102", "DTD", "FGVCAircraft"), _THREE),
    **dict.fromkeys(("CelebA", "Country211"), _VALID),
    "OxfordIIITPet": ({"split": "trainval"}, None, {"split": "test"}),
    "EuroSAT": ({}, None, None),
}
"""How train, validation and test rows are asked for; null where a set has none of its own."""

_BYTES = 1 << 24  # of pixels at a time
_BROKEN = (OSError, RuntimeError, ValueError, SyntaxError, EOFError, KeyError, ImportError)


@dataclass(frozen=True)
class TorchvisionSet(Declared):
    """One of them."""

    settings: TorchvisionSettings

    def fingerprint(self, place: Place) -> Fingerprint:
        """One checksum of the files in the folder; of a download, the checksums that torchvision has for it."""
        self._check_known()
        if self.settings.path is not None:
            folder = self._root(place)
            return Fingerprint({"files": checksums.checksum(folder, _files(folder), place)})
        known = _checksums(self._class())
        notes = [] if known else [f"torchvision has no checksum of {self.settings.dataset}: taken as it comes"]
        return Fingerprint({self.settings.dataset: "md5:" + ",".join(known)}, notes)

    def read(self, place: Place, report: Report) -> Examples:
        """Read labels, downloading first where no folder is given; images are streams."""
        self._check_known()
        if self.settings.path is None:
            report(f"{self.settings.dataset}: torchvision sees to the download into {self._root(place)}")
        found = [self._opened(place, options) for options in SETS[self.settings.dataset]]
        train, validation, test = found
        label = "attributes" if hasattr(train, "attr_names") else "class"
        labels = [_labels(it) for it in found if it is not None]
        names = _names(train, labels)
        first = [it for it in (train, validation) if it is not None]
        split = np.repeat([0, 1], [len(it) for it in first]).astype(np.int8) if validation is not None else None
        part = Part(self._stream(first), {label: np.concatenate(labels[: len(first)])}, split=split)
        held = None if test is None else Part(self._stream([test]), {label: labels[-1]})
        return Examples(part, held, {label: names}, 255.0, resized=self.settings.size is not None)

    def _stream(self, sets: list[Any]) -> "Pictures":
        return Pictures(self.name, sets, self.settings.size)

    def _root(self, place: Place) -> Path:
        if self.settings.path is not None:
            return place.of(self.settings.path)
        return place.downloads / "torchvision" / self.settings.dataset

    def _check_known(self) -> None:
        if self.settings.dataset not in SETS:
            guess = difflib.get_close_matches(self.settings.dataset, SETS, n=1)
            hint = f"did you mean '{guess[0]}'?" if guess else f"known: {', '.join(SETS)}"
            raise UserError(f"sources.{self.name}.dataset: unknown '{self.settings.dataset}' ({hint})")

    def _class(self) -> Any:
        import torchvision.datasets  # seconds

        return getattr(torchvision.datasets, self.settings.dataset)

    def _opened(self, place: Place, options: dict[str, Any] | None) -> Any:
        """One part of the set."""
        if options is None:
            return None
        kind, root, downloads = self._class(), self._root(place), self.settings.path is None
        try:
            if downloads:
                root.mkdir(parents=True, exist_ok=True)
            return kind(str(root), download=downloads, **options)
        except _BROKEN as error:
            line = " ".join(str(error).split()) or type(error).__name__
            if downloads:
                raise Failure(f"{self.settings.dataset} could not be downloaded into {root}: {line}") from None
            line = line.partition(" You can use download")[0]
            raise UserError(f"{root}: no {self.settings.dataset} as torchvision reads it ({line})") from None


@dataclass(frozen=True)
class Pictures:
    """The images of some of torchvision's sets, one set after another.

    Attributes:
        source: Name of the source, for messages.
        sets: Each answers an image and its label for a place.
        size: To resize to, if at all.
    """

    source: str
    sets: list[Any]
    size: tuple[int, int] | None

    def __len__(self) -> int:
        return sum(len(one) for one in self.sets)

    def chunks(self) -> Iterator[np.ndarray]:
        """uint8 [B, H, W], or [B, 3, H, W] where the first image has colours.

        Raises:
            UserError: An image is broken, or of another size than the first.
        """
        image = self.sets[0][0][0]
        channels: Channels = "grey" if image.mode in ("L", "1") else "rgb"
        shape = as_array(image, channels, self.size).shape
        rows = max(1, _BYTES // int(np.prod(shape)))
        for one in self.sets:
            for start in range(0, len(one), rows):
                places = range(start, min(start + rows, len(one)))
                yield np.stack([self._pixels(one, place, channels, shape) for place in places])

    def _pixels(self, one: Any, place: int, channels: Channels, shape: tuple[int, ...]) -> np.ndarray:
        where = f"source '{self.source}': image {place + 1} of {type(one).__name__}"
        try:
            pixels = as_array(one[place][0], channels, self.size)
        except _BROKEN as error:
            raise UserError(f"{where}: broken ({' '.join(str(error).split())})") from None
        if pixels.shape != shape:
            (height, width), (first_height, first_width) = pixels.shape[-2:], shape[-2:]
            raise UserError(
                f"{where} has {height} x {width} pixels, the first has {first_height} x {first_width}: "
                f"set sources.{self.source}.size=[{first_height},{first_width}] to resize all images"
            )
        return pixels


def _checksums(kind: type) -> list[str]:
    """The md5 of its files, wherever a class and those that it inherits from keep them."""
    return sorted({md5 for one in kind.__mro__ for md5 in re.findall(r"\b[0-9a-f]{32}\b", str(vars(one)))})


def _labels(one: Any) -> np.ndarray:
    """Classes int64 [N], or several labels float32 [N, L]."""
    for name in ("attr", "targets", "labels", "_labels"):
        if hasattr(one, name):
            values = np.asarray(getattr(one, name))
            return values.astype(np.float32 if values.ndim == 2 else np.int64)
    return np.array([sample[1] for sample in one._samples], np.int64)


def _names(one: Any, labels: list[np.ndarray]) -> list[str]:
    """Of the classes or labels; their numbers where the set has no names for all of them."""
    if labels[0].ndim == 2:
        return [name for name in one.attr_names if name]
    count = 1 + max(int(values.max()) for values in labels)
    names = [str(name) for name in getattr(one, "classes", ())]
    return names if len(names) >= count else [str(index) for index in range(count)]


def _files(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    found = [Path(inner, name) for inner, _, names in os.walk(folder) for name in names if name[0] != "."]
    return sorted(path.relative_to(folder).as_posix() for path in found)
