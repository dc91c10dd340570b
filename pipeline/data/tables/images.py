"""Folders of images to score, one row each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.decoding import Channels, decoded
from pipeline.data.sources.image_folder import ImageFolder
from pipeline.data.tables.batching import batch_rows
from pipeline.data.tables.columns import Columns, pixel_columns
from pipeline.data.tables.rows import Batch, Rows, pixels
from pipeline.errors import UserError

_WHITE = 255.0


@dataclass(frozen=True)
class _Kind:
    """The images that a source has.

    Attributes:
        size: Height and width.
        channels: Grey, or red, green and blue.
        resized: Images of any size were made of this one.
        scale: What the source stores for white.
    """

    size: tuple[int, int]
    channels: Channels
    resized: bool
    scale: float


def open_images(folder: Path, sources: Mapping[str, Mapping[str, Any]]) -> Rows:
    """The images of a folder in the order of their names, as the model's sources have them.

    They are made grey or coloured, and resized where the source resized those that it was trained on. A source's scale
    is what it stores for white: the image's 0 to 255 are stretched to that.

    Args:
        folder: Where they lie, or the folders in it; see `ImageFolder`.
        sources: What the model says of its sources: `shape`, `scale`, and whether they are `resized`.

    Raises:
        UserError: There is no image, no source of images of this size, or more than one kind of them; see also
            `ImageFolder.of`.
    """
    found = ImageFolder.of(folder)
    kind = _fitting(folder / found.names[0], {kind for it in sources.values() if (kind := _kind(it))})
    features = kind.size[0] * kind.size[1] * (3 if kind.channels == "rgb" else 1)
    columns = Columns(pixel_columns(features), [])
    return Rows(columns, len(found.names), _batches(found, kind, columns), notes=found.notes)


def _kind(source: Mapping[str, Any]) -> _Kind | None:
    """What a source's rows are as images, if they are."""
    shape = tuple(source["shape"])
    if len(shape) != 2 and not (len(shape) == 3 and shape[0] == 3):
        return None
    resized = bool(source.get("resized"))
    return _Kind((shape[-2], shape[-1]), "rgb" if len(shape) == 3 else "grey", resized, source["scale"])


def _fitting(first: Path, kinds: set[_Kind]) -> _Kind:
    """The kind of image that the first is to be."""
    if not kinds:
        raise UserError(f"{first.parent}: the model reads no images; give a table")
    size = decoded(first, "grey").shape
    fitting = [kind for kind in kinds if kind.size == size] or [kind for kind in kinds if kind.resized]
    if not fitting:
        known = " or ".join(sorted({f"{kind.size[0]} x {kind.size[1]}" for kind in kinds}))
        raise UserError(f"{first}: {size[0]} x {size[1]} pixels, the model reads images of {known}")
    if len({(kind.size, kind.channels, kind.scale) for kind in fitting}) > 1:
        raise UserError(
            f"{first.parent}: the model's sources differ in colours, size or scale, "
            "so that it is not clear what these images are to be; give a table"
        )
    return max(fitting, key=lambda kind: kind.resized)


def _batches(folder: ImageFolder, kind: _Kind, columns: Columns) -> Iterator[Batch]:
    rows = batch_rows(len(columns.pixels))
    for start in range(0, len(folder.names), rows):
        part = folder.names[start : start + rows]
        values = np.stack([_pixels(folder.path / name, kind).ravel() for name in part]) * (kind.scale / _WHITE)
        yield pixels(values, columns, part)


def _pixels(path: Path, kind: _Kind) -> np.ndarray:
    values = decoded(path, kind.channels, kind.size if kind.resized else None)
    if (found := values.shape[-2:]) != kind.size:
        height, width = kind.size
        raise UserError(f"{path}: {found[0]} x {found[1]} pixels, the model reads images of {height} x {width}")
    return values
