"""Arrays in npz files, read a few rows at a time: nothing is unpickled, and no promise believed unchecked.

An npz file is a zip file of `.npy` members (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
What a member's header promises is held against the size that the zip file gives, and that against its packed size.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipeline.data.sources.idx import fill
from pipeline.errors import UserError

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
_BOMB_RATIO = 100
_BOMB_BYTES = 1 << 27
"""What promises more bytes than these, and more than so many for each packed one, is no image."""


@dataclass(frozen=True)
class Member:
    """An array in an npz file.

    Attributes:
        path: Of the file.
        name: Of the array.
        shape: Of the array.
        dtype: Of its values.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    def chunks(self, rows: int) -> Iterator[np.ndarray]:
        """So many rows at a time, in order.

        Raises:
            UserError: The file is corrupted or truncated, or longer than its header promises.
        """
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        with _broken(self.path, self.name), zipfile.ZipFile(self.path) as archive, _opened(archive, self.name) as file:
            _header(file)
            for start in range(0, self.shape[0], rows):
                count = min(rows, self.shape[0] - start)
                content = bytearray(count * size)
                if (got := fill(memoryview(content), file)) < len(content):
                    raise EOFError(f"{got} of {len(content)} bytes")
                yield np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])
            file.read(1)  # the end, where the member's checksum is compared

    def array(self) -> np.ndarray:
        """All of it."""
        return np.concatenate(list(self.chunks(1 << 16)))


def members(path: Path) -> dict[str, Member]:
    """The arrays of whole numbers in an npz file, by name.

    Raises:
        UserError: The file cannot be read, an array is of another type, or promises more than it can hold.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    with _broken(path), zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist() if info.filename.endswith(".npy")]
        return {name.removesuffix(".npy"): _member(path, archive, name.removesuffix(".npy")) for name in names}


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> Member:
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > max(_BOMB_BYTES, _BOMB_RATIO * info.compress_size):
        raise UserError(
            f"{path}: '{name}' promises {info.file_size:,} bytes from {info.compress_size:,}: too many to be images"
        )
    with _broken(path, name), _opened(archive, name) as file:
        shape, fortran, dtype = _header(file)
        length = file.tell()
    if dtype.kind not in "uib":
        raise UserError(f"{path}: '{name}' holds {'Python objects' if dtype.hasobject else dtype}, not whole numbers")
    if fortran and len(shape) > 1:
        raise UserError(f"{path}: '{name}' lies in Fortran's order: save it in C's, with numpy.ascontiguousarray")
    if not shape or 0 in shape:
        raise UserError(f"{path}: '{name}' holds no rows")
    if math.prod(shape) * dtype.itemsize != info.file_size - length:
        raise UserError(
            f"{path}: '{name}' promises an array of {' x '.join(map(str, shape))}, and has {info.file_size - length:,} "
            "bytes for it"
        )
    return Member(path, name, shape, dtype)


def _opened(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    return archive.open(f"{name}.npy")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran's order, and type; the header is read as a literal, never evaluated."""
    version = np.lib.format.read_magic(file)
    read: Any = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return shape, fortran, dtype


@contextmanager
def _broken(path: Path, name: str = "") -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except _BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        where = f"{path}: '{name}'" if name else str(path)
        raise UserError(f"{where}: corrupted or truncated ({reason})") from None
