"""IDX files, raw or gzipped, accepted on their structure (http://yann.lecun.com/exdb/mnist, "file formats").

A file is read into one array of the size that its header promises, after the promise has been held against the size of
the file: neither a lying header nor a gzip bomb takes more memory than that.
"""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from pipeline.errors import UserError
from pipeline.files import check_regular

_UNSIGNED_BYTE = 0x08
_GZIP = b"\x1f\x8b"
_DEFLATE_RATIO = 1032
"""Deflate packs at most so many bytes into one (https://zlib.net/zlib_tech.html)."""
_LARGEST = 2**31
"""Bytes of the largest array taken, some 2.7 million images of 28 x 28."""
_CHUNK = 2**20


def find(folder: Path, stem: str) -> Path:
    """The file `stem` or `stem.gz` in a folder.

    Raises:
        UserError: Neither is there.
    """
    try:
        for path in (folder / stem, folder / f"{stem}.gz"):
            if path.is_file():
                return path
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    raise UserError(f"missing data file: neither {stem} nor {stem}.gz in {folder}")


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """The checksum of a file's bytes, in hexadecimal digits.

    Raises:
        UserError: The file cannot be read.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def read(path: Path, item: tuple[int, ...] = ()) -> np.ndarray:
    """The unsigned bytes in an IDX file.

    Args:
        path: The file, raw or gzipped, whatever its name ends in.
        item: Shape of one item: (28, 28) for images, () for labels.

    Returns:
        uint8 [N, *item], N at least 1.

    Raises:
        UserError: The file cannot be read or unpacked, or it is not what its header says.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            most = path.stat().st_size * (_DEFLATE_RATIO if packed else 1)
            with gzip.GzipFile(fileobj=file) if packed else file as content:
                return _array(path, content, item, most)  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: corrupted or truncated ({error})") from None


def _array(path: Path, content: BinaryIO, item: tuple[int, ...], most: int) -> np.ndarray:
    shape = _shape(path, content, item)
    size = math.prod(shape)
    if size > _LARGEST:
        raise UserError(f"{path}: its header promises {size} bytes, more than the {_LARGEST} that are read")
    if size > most:
        raise UserError(f"{path}: truncated, its header promises {size} bytes, more than the file can hold")
    array = np.empty(size, np.uint8)
    got = fill(array.data, content)
    if got < size:
        raise UserError(f"{path}: truncated, {got} bytes where the header promises {size}")
    if content.read(1):  # at the end of a gzip file this also checks its own checksum
        raise UserError(f"{path}: too long, there is more than the {size} bytes that the header promises")
    return array.reshape(shape)


def _shape(path: Path, content: BinaryIO, item: tuple[int, ...]) -> tuple[int, ...]:
    """What the header says, if it says what is wanted."""
    dimensions = 1 + len(item)
    wanted = 4 + 4 * dimensions
    header = content.read(wanted)
    magic = _UNSIGNED_BYTE << 8 | dimensions
    if len(header) >= 4 and header[:4] != magic.to_bytes(4, "big"):
        raise UserError(
            f"{path}: not an IDX file of unsigned bytes in {dimensions} dimensions "
            f"(magic number {header[:4].hex()}, expected {magic:08x})"
        )
    if len(header) < wanted:
        raise UserError(f"{path}: truncated, {len(header)} bytes hold no IDX header")
    count, *found = struct.unpack(f">{dimensions}I", header[4:])
    if tuple(found) != item:
        sizes = [" x ".join(str(side) for side in sides) for sides in (item, found)]
        raise UserError(f"{path}: items are {sizes[0]}, found {sizes[1]}")
    if count == 0:
        raise UserError(f"{path}: empty, its header promises no items")
    return (count, *item)


def fill(array: memoryview, content: BinaryIO | IO[bytes]) -> int:
    """Read until the array is full or the content ends; how many bytes came."""
    got = 0
    while chunk := content.read(min(_CHUNK, len(array) - got)):
        array[got : got + len(chunk)] = chunk
        got += len(chunk)
    return got
