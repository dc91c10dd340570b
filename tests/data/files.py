"""Small IDX files, a source whose examples a test chooses, and an experiment on it."""

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Experiment
from pipeline.data.sources import Examples, Fingerprint, Part, Place, Report


def idx_bytes(array: np.ndarray) -> bytes:
    """An array of unsigned bytes as an IDX file."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def packed(content: bytes) -> bytes:
    """Gzipped, the same bytes every time."""
    return gzip.compress(content, mtime=0)


def mnist_arrays(train: int = 40, test: int = 20) -> dict[str, np.ndarray]:
    """Images and labels by file stem; every class in turn."""
    rng = np.random.default_rng(0)
    arrays = {}
    for stem, rows in (("train", train), ("t10k", test)):
        arrays[f"{stem}-images-idx3-ubyte"] = rng.integers(0, 256, (rows, 28, 28), np.uint8)
        arrays[f"{stem}-labels-idx1-ubyte"] = (np.arange(rows) % 10).astype(np.uint8)
    return arrays


def write_mnist(folder: Path, arrays: dict[str, np.ndarray], gzipped: bool = True) -> None:
    """The arrays as files in a `raw` folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, array in arrays.items():
        content = idx_bytes(array)
        (folder / (f"{stem}.gz" if gzipped else stem)).write_bytes(packed(content) if gzipped else content)


def place(folder: Path, variant: str = "full", root: Path | None = None) -> Place:
    """All places within one folder."""
    return Place(variant, folder / "shipped", root, folder / "downloads")


@dataclass(frozen=True)
class Toy:
    """A source that answers what it was made of."""

    examples: Examples

    def fingerprint(self, place: Place) -> Fingerprint:
        return Fingerprint({"toy": "0"})

    def read(self, place: Place, report: Report) -> Examples:
        return self.examples


def part(labels: dict[str, Any], features: int = 3) -> Part:
    """A part whose every row holds its own number."""
    arrays = {name: np.asarray(values) for name, values in labels.items()}
    arrays = {name: it.astype(np.int64) if it.dtype.kind == "i" else it for name, it in arrays.items()}
    rows = len(next(iter(arrays.values())))
    return Part(np.repeat(np.arange(rows, dtype=np.float32)[:, None], features, axis=1), arrays)


def experiment(tasks: dict[str, Any], **data: Any) -> Experiment:
    """An experiment on these tasks, without a search and with one split, unless `test` is given."""
    training = {} if data.get("validation", 0.1) else {"early_stopping": None}
    return Experiment.model_validate(
        {"name": "toy", "tasks": tasks, "data": {"test": 0.2} | data, "tuning": None, "training": training}
    )


def quiet(line: str) -> None:
    """A report that nobody reads."""
