"""Arrays as they are written: of labels and groups whole, of inputs a few rows at a time."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.encodings.rows import RowError
from pipeline.data.leaks import hashed
from pipeline.data.sources import Cutting, Encoder, Encoding, Part
from pipeline.data.splitting import Chosen, all_of
from pipeline.errors import Failure, UserError

_CHUNK_ROWS = 4096
_LABELS = 1 << 20


def save(path: Path, array: np.ndarray) -> None:
    """Write labels: classes as int64, which is eight bytes a row and so never in memory as a whole."""
    kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
    with path.open("wb") as file:
        _write_header(file, np.dtype(kind), array.shape)
        for start in range(0, len(array), _LABELS):
            file.write(np.ascontiguousarray(array[start : start + _LABELS], kind).data)


def training(chosen: Iterable[Chosen]) -> Iterator[tuple[Any, np.ndarray]]:
    """Chunks of streams, and which of their rows are to be learnt from."""
    for one in chosen:
        start = 0
        for chunk in _chunks(one.part):
            yield chunk, one.where[start : start + len(chunk)]
            start += len(chunk)


@dataclass(frozen=True)
class Inputs:
    """Inputs of a source that were written, or gone through.

    Attributes:
        shape: Of one row.
        hashes: By split, of its rows as they are written, uint64 [N].
        cut: By split, how many of its rows lost their end.
    """

    shape: tuple[int, ...]
    hashes: dict[str, np.ndarray]
    cut: dict[str, int]


def write_inputs(
    name: str, parts: Mapping[str, Chosen], files: Mapping[str, Path], encoding: Encoding | None = None
) -> Inputs:
    """Write the inputs of splits; each part is gone through once.

    Args:
        name: Of the source.
        parts: The splits.
        files: Where each goes.
        encoding: Of the inputs; None where they are arrays already.

    Raises:
        UserError: A row cannot be encoded.
        Failure: The source changes meanwhile.
    """
    rows = {split: len(chosen) for split, chosen in parts.items()}
    hashes = {split: np.empty(count, np.uint64) for split, count in rows.items()}
    shape: tuple[int, ...] = ()
    pieces = {(it, start): piece for it, chosen in parts.items() for start, piece in chosen.pieces().items()}
    done = {piece: piece[1] for piece in pieces}  # rows of the split that lie before what is written next
    cut = dict.fromkeys(rows, 0)
    opened = {piece: _opened(files[piece[0]]) for piece in pieces}
    try:
        for piece, values, shortened in _encoded(name, pieces, encoding):
            split, start = piece
            cut[split] += shortened
            if done[piece] == start:
                _write_header(opened[piece], values.dtype, (rows[split], values[0].size))
                opened[piece].seek(start * values[0].nbytes, os.SEEK_CUR)
            shape = values.shape[1:]
            flat = np.ascontiguousarray(values.reshape(len(values), -1))
            opened[piece].write(flat.data)
            hashes[split][done[piece] : done[piece] + len(flat)] = hashed(flat)
            done[piece] += len(flat)
    finally:
        for file in opened.values():
            file.close()
    if done != {piece: piece[1] + len(chosen) for piece, chosen in pieces.items()}:
        raise Failure(f"source '{name}' has changed while it was read: prepare it again")
    return Inputs(encoding.shape if encoding else shape, hashes, cut)


def hashes_of(name: str, part: Part, encoder: Encoder) -> np.ndarray:
    """A hash of each row as it is encoded where all rows are learnt from, uint64 [N]: alike for the same inputs."""
    every = all_of(part)
    encoding = encoder.fit(training([every]))
    rows = (values for _, values, _ in _encoded(name, {("", 0): every}, encoding))
    return np.concatenate([hashed(values.reshape(len(values), -1)) for values in rows])


def _opened(path: Path) -> Any:
    """A file of one's own place in it: several may write to different places of the same."""
    path.touch()
    return path.open("r+b")


def _encoded(
    name: str, parts: Mapping[tuple[str, int], Chosen], encoding: Encoding | None
) -> Iterator[tuple[tuple[str, int], np.ndarray, int]]:
    """Some rows [B, ...] of a piece of a split at a time, in the order of the source; and how many were cut."""
    for part in {id(chosen.part): chosen.part for chosen in parts.values()}.values():
        own = {piece: chosen.where for piece, chosen in parts.items() if chosen.part is part}
        start = 0
        for chunk in _chunks(part):
            stop = start + len(chunk)
            try:
                values = encoding.encode(chunk) if encoding else chunk
            except RowError as error:
                raise UserError(f"source '{name}': row {start + error.row + 1}, {error.what}") from None
            cut = encoding.cut(chunk) if isinstance(encoding, Cutting) else np.zeros(len(chunk), bool)
            for piece, where in own.items():
                if (mask := where[start:stop]).any():
                    yield piece, values[mask], int(cut[mask].sum())
            start = stop


def _chunks(part: Part) -> Iterator[Any]:
    """A part's inputs, a few rows at a time: at once they would double a source's memory."""
    if not isinstance(part.inputs, np.ndarray):
        yield from part.inputs.chunks()
        return
    for start in range(0, len(part.inputs), _CHUNK_ROWS):
        yield part.inputs[start : start + _CHUNK_ROWS]


def _write_header(file: Any, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
