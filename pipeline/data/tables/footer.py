"""The description at the end of a Parquet file, taken some row groups at a time.

pyarrow reads it whole, at some 800 bytes for each column of each row group: a wide table that was written in small
groups takes more memory for that than for all its rows. So a large footer is cut between its row groups, and each piece
is given to pyarrow as the footer of a file that holds these groups alone.

The footer is Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/
thrift-compact-protocol.md): a struct `FileMetaData` whose field 4 is the list of row groups
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_MAGIC = b"PAR1"
_TAIL = 8  # bytes: the footer's length, and the magic number
_LARGEST = 1 << 22  # bytes of a footer that is read whole; pyarrow makes ten times as much of it
_PIECE = 1 << 20  # bytes of row groups in a piece of a larger one
_ROW_GROUPS = 4
_BINARY, _LIST, _SET, _MAP, _STRUCT = 8, 9, 10, 11, 12
_FIXED = {1: 0, 2: 0, 3: 1, 7: 8, 13: 16}  # bytes by type: booleans (in their field's header), byte, double, uuid


def row_group_metadata(path: Path) -> Iterator[pq.FileMetaData]:
    """What pyarrow needs to read the file, in pieces that hold each row group once and in order.

    Raises:
        pyarrow.ArrowInvalid: The file is no Parquet file.
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL))
        tail = file.read()
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length <= _LARGEST or length > size - _TAIL:
            yield pq.read_metadata(path)
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield from _pieces(content, size - _TAIL - length, size - _TAIL)


def _pieces(content: mmap.mmap, start: int, stop: int) -> Iterator[pq.FileMetaData]:
    try:
        head, groups, rest = _row_groups(content, start)
    except (IndexError, RecursionError):
        raise pa.ArrowInvalid("the footer is damaged") from None
    first, total = 0, len(groups) - 1
    while True:
        last = min(first + 1, total)
        while last < total and groups[last + 1] - groups[first] <= _PIECE:
            last += 1
        header = bytes([0xF0 | _STRUCT]) + _varint(last - first)
        footer = content[start:head] + header + content[groups[first] : groups[last]] + content[rest:stop]
        yield pq.read_metadata(pa.BufferReader(_MAGIC + footer + struct.pack("<I", len(footer)) + _MAGIC))
        if last == total:
            return
        first = last


def _row_groups(content: mmap.mmap, at: int) -> tuple[int, list[int], int]:
    """Where the list of row groups starts, where each group does and the last one ends, and where the rest begins."""
    field = 0
    while (header := content[at]) != 0:
        field, at, kind = _field(content, at, header, field)
        if field == _ROW_GROUPS:
            head = at
            count, _, at = _list_header(content, at)
            groups = [at]
            for _ in range(count):
                at = _skip(content, at, _STRUCT)
                groups.append(at)
            return head, groups, at
        at = _skip(content, at, kind)
    raise IndexError


def _skip(content: mmap.mmap, at: int, kind: int) -> int:
    """Where a value of this type ends."""
    if kind in _FIXED:
        return at + _FIXED[kind]
    if kind == _BINARY:
        length, at = _number(content, at)
        return at + length
    if kind == _STRUCT:
        field = 0
        while (header := content[at]) != 0:
            field, at, inner = _field(content, at, header, field)
            at = _skip(content, at, inner)
        return at + 1
    if kind in (_LIST, _SET):
        count, inner, at = _list_header(content, at)
        for _ in range(count):
            at = at + 1 if inner in (1, 2) else _skip(content, at, inner)
        return at
    if kind == _MAP:
        raise IndexError  # no part of a footer
    return _number(content, at)[1]


def _field(content: mmap.mmap, at: int, header: int, previous: int) -> tuple[int, int, int]:
    """A field's number, where its value begins, and its type."""
    if header >> 4:
        return previous + (header >> 4), at + 1, header & 15
    number, at = _number(content, at + 1)
    return (number >> 1) ^ -(number & 1), at, header & 15


def _list_header(content: mmap.mmap, at: int) -> tuple[int, int, int]:
    """A list's length, the type of its elements, and where they begin."""
    count, inner = content[at] >> 4, content[at] & 15
    if count < 15:
        return count, inner, at + 1
    count, at = _number(content, at + 1)
    return count, inner, at


def _number(content: mmap.mmap, at: int) -> tuple[int, int]:
    """A variable-length number, and where it ends."""
    value = shift = 0
    while (byte := content[at]) & 0x80:
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return value | byte << shift, at + 1


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
