"""Image files as arrays of bytes: the one way in which images are read, to be learnt from and to be predicted."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from pipeline.errors import UserError
from pipeline.files import check_regular

Channels = Literal["grey", "rgb"]

_NOT_READ = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Formats that Pillow only recognises, or has another program read."""
_MODES = {"grey": "L", "rgb": "RGB"}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image of each EXIF orientation upright."""
_BITS_PER_SAMPLE = 258  # tag of TIFF


def is_image(path: Path) -> bool:
    """Whether a file is an image: its suffix says so, or, where that is no image format's, its first bytes."""
    by_suffix, _, by_content = _formats()
    if path.suffix.lower() in by_suffix:
        return True
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=by_content):
            return True
    except Image.DecompressionBombError:
        return True
    except Exception:  # whatever files of other kinds make Pillow raise
        return False


def decoded(path: Path, channels: Channels, size: tuple[int, int] | None = None) -> np.ndarray:
    """An image's pixels, upright by its EXIF orientation, of the first frame of several; transparency is dropped.

    More than 8 bits are scaled to 8: white is the largest value that an unsigned sample can have, and 1.0 of floats.

    Args:
        path: Of the file.
        channels: Grey, or red, green and blue.
        size: Height and width to resize to, antialiased (each pixel the triangle-weighted mean of those that it
            stands for); null keeps the image's own.

    Returns:
        uint8 [H, W], or [3, H, W].

    Raises:
        UserError: It cannot be read, is broken or truncated, has values of which none is known to be white, or is too
            large to be true.
    """
    with _opened(path) as image:
        return as_array(image, channels, size)


def as_array(image: Image.Image, channels: Channels, size: tuple[int, int] | None = None) -> np.ndarray:
    """The pixels of an image that is open; see `decoded`."""
    image.load()
    white = _white_of(image)
    image = _upright(image)
    if white:
        values = np.asarray(image, np.float64)
        if not (values.min() >= 0 and values.max() <= white):  # NaN is neither
            raise UserError(f"{image.mode} values outside 0 to {white}; save it with 8 or 16 bits a channel")
        image = Image.fromarray(np.rint(values * (255 / white)).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # as Pillow asks for
    image = image.convert(_MODES[channels])
    if size and (image.height, image.width) != size:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _white_of(image: Image.Image) -> float | None:
    """What stands for white in an image of one deep channel; None where a channel has 8 bits."""
    if image.mode == "F":
        return 1.0
    if image.mode.startswith("I;16"):
        bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]
        return float((1 << bits) - 1)
    if image.mode == "I" and image.format != "PPM":
        raise UserError("32-bit integers, of which none is known to be white; save it with 8 or 16 bits a channel")
    return 65535.0 if image.mode == "I" else None


def _upright(image: Image.Image) -> Image.Image:
    """The image as it is to be seen; TIFF files Pillow itself has turned."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged metadata, of an image whose pixels are fine
        return image
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    check_regular(path)
    try:
        if not path.stat().st_size:
            raise UserError("is empty")
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_formats()[1]) as image:
                yield image
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(f"{path}: more than {Image.MAX_IMAGE_PIXELS:,} pixels: too large to be unpacked") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: no image of a format that Pillow reads") from None
    except Exception as error:  # whatever damaged files make Pillow raise
        raise UserError(f"{path}: broken or truncated image ({error})") from None


@cache
def _formats() -> tuple[set[str], list[str], list[str]]:
    """Suffixes of the formats that Pillow reads, in small letters; the formats; those with bytes to know them by."""
    Image.init()
    formats = [name for name in Image.OPEN if name not in _NOT_READ]
    suffixes = {suffix for suffix, name in Image.registered_extensions().items() if name in formats}
    return suffixes, formats, [name for name in formats if Image.OPEN[name][1]]
