"""Image files as arrays of bytes: the one way in which images are read, to be learnt from and to be predicted."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.errors import UserError
from pipeline.files import check_regular

Channels = Literal["grey", "rgb"]

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
"""Of the files that are taken for images, in small letters."""
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
_MODES = {"grey": "L", "rgb": "RGB"}
_DEEP = ("I", "F")  # modes of more than eight bits, which a conversion would cut off
_BROKEN = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError)


def is_image(name: str) -> bool:
    """Whether a file's name says that it is an image; hidden files are none."""
    return Path(name).suffix.lower() in ENDINGS and name[0] != "."


def size_of(path: Path) -> tuple[int, int]:
    """Height and width, from the header alone.

    Raises:
        UserError: It is no image that can be read.
    """
    with _opened(path) as image:
        return image.height, image.width


def decoded(path: Path, channels: Channels, size: tuple[int, int] | None = None) -> np.ndarray:
    """An image's pixels, of the first frame where there are several; transparency is dropped.

    Args:
        path: Of the file.
        channels: Grey, or red, green and blue.
        size: Height and width to resize to, antialiased (each pixel the triangle-weighted mean of those that it
            stands for); null keeps the image's own.

    Returns:
        uint8 [H, W], or [3, H, W].

    Raises:
        UserError: It cannot be read, is broken or truncated, has more than 8 bits a channel, or is too large to be
            true.
    """
    with _opened(path) as image:
        if image.mode.startswith(_DEEP) or ";16" in str(getattr(image, "tile", "")):
            raise UserError(f"{path}: more than 8 bits a channel; save it with 8")
        return as_array(image, channels, size)


def as_array(image: Image.Image, channels: Channels, size: tuple[int, int] | None = None) -> np.ndarray:
    """The pixels of an image that is open; see `decoded`."""
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # as Pillow asks for
    image = image.convert(_MODES[channels])
    if size and (image.height, image.width) != size:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    check_regular(path)
    try:
        if not path.stat().st_size:
            raise UserError(f"{path}: is empty")
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                yield image
    except UserError:  # a ValueError, as what follows
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(f"{path}: more than {Image.MAX_IMAGE_PIXELS:,} pixels: too large to be unpacked") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: no readable image ({', '.join(_FORMATS)})") from None
    except _BROKEN as error:
        raise UserError(f"{path}: broken or truncated image ({error})") from None
