"""IDX files, raw or gzipped, accepted on their structure (http://yann.lecun.com/exdb/mnist, "file formats")."""

import gzip
import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np

from pipeline.errors import UserError

_UNSIGNED_BYTE = 0x08


def find(folder: Path, stem: str) -> Path:
    """The file `stem` or `stem.gz` in a folder.

    Raises:
        UserError: Neither is there.
    """
    for path in (folder / stem, folder / f"{stem}.gz"):
        if path.is_file():
            return path
    raise UserError(f"missing data file: neither {stem} nor {stem}.gz in {folder}")


def sha256(path: Path) -> str:
    """The checksum of a file's bytes.

    Raises:
        UserError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def read(path: Path, dimensions: int) -> np.ndarray:
    """The unsigned bytes in an IDX file, as an array of so many dimensions.

    Raises:
        UserError: The magic number, the number of dimensions or the size is not what the header says.
    """
    content = _bytes(path)
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise UserError(f"{path}: truncated, {len(content)} bytes hold no IDX header")
    zero, kind, found = struct.unpack(">HBB", content[:4])
    if zero != 0 or kind != _UNSIGNED_BYTE or found != dimensions:
        raise UserError(
            f"{path}: not an IDX file of unsigned bytes in {dimensions} dimensions "
            f"(magic number {content[:4].hex()}, expected {_UNSIGNED_BYTE << 8 | dimensions:08x})"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    expected = header + int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        problem = "truncated" if len(content) < expected else "too long"
        raise UserError(f"{path}: {problem}, {len(content)} bytes where the header promises {expected}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: corrupted or truncated ({error})") from None
