"""Folders of PNG images, one row each."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.data.tables.columns import Columns, pixel_columns
from pipeline.data.tables.rows import Batch, Rows, batch_rows, pixels
from pipeline.errors import UserError

_WHITE = 255.0
_DEEP = ("I", "F")  # modes of more than eight bits, which a conversion to grey would cut off


def open_images(folder: Path, scales: dict[tuple[int, ...], set[float]]) -> Rows:
    """The PNG images of a folder in the order of their names, made grey if they are not.

    A source's scale is what it stores for white: the image's 0 to 255 are stretched to that.

    Args:
        folder: Where they lie; folders in it are not looked into.
        scales: By shape of an image, the scales of the sources that have it.

    Raises:
        UserError: There is no image, no source of images of this size, or their scales differ.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".png" and path.name[0] != ".")
    if not files:
        raise UserError(f"{folder}: no PNG image in this folder")
    shape = _size(files[0])
    if shape not in scales:
        known = " or ".join(" x ".join(map(str, size)) for size in scales)
        raise UserError(f"{files[0]}: {shape[0]} x {shape[1]} pixels, the model reads images of {known}")
    if len(scales[shape]) > 1:
        raise UserError(f"{folder}: the model's sources differ in scale, so that white is not one value; give a table")
    (scale,) = scales[shape]
    columns = Columns(pixel_columns(shape[0] * shape[1]), [])
    return Rows(columns, len(files), _batches(files, shape, scale / _WHITE, columns))


def _batches(files: list[Path], shape: tuple[int, int], factor: float, columns: Columns) -> Iterator[Batch]:
    rows = batch_rows(shape[0] * shape[1])
    for start in range(0, len(files), rows):
        part = files[start : start + rows]
        values = np.stack([_grey(path, shape).ravel() for path in part]) * factor
        yield pixels(values, columns, [path.name for path in part])


def _size(path: Path) -> tuple[int, int]:
    """Height and width, from the header alone."""
    with _opened(path) as image:
        return image.height, image.width


def _grey(path: Path, shape: tuple[int, int]) -> np.ndarray:
    with _opened(path) as image:
        if (image.height, image.width) != shape:
            raise UserError(
                f"{path}: {image.height} x {image.width} pixels, the first image has {shape[0]} x {shape[1]}"
            )
        if image.mode.startswith(_DEEP):
            raise UserError(f"{path}: more than 8 bits a pixel; save it as 8-bit grey")
        try:
            return np.asarray(image.convert("L"))
        except (OSError, SyntaxError, ValueError) as error:
            raise UserError(f"{path}: broken PNG ({error})") from None


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path, formats=["PNG"])
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        raise UserError(f"{path}: no readable PNG image") from None
