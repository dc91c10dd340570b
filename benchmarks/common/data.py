"""The data of the benchmarks: the full sets where a folder is given, else made-up ones of the same shape."""

import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config import Experiment
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place

VARIABLE = "HEADWAY_DATA"
_FOLDERS = ("MNIST", "FashionMNIST")
_SIDE, _CLASSES = 28, 10


@dataclass(frozen=True)
class Data:
    """Where the full data lie.

    Attributes:
        root: Folder with MNIST/raw and FashionMNIST/raw.
        made_up: Whether they are not the real ones.
    """

    root: Path
    made_up: bool

    @property
    def in_words(self) -> str:
        """What they are."""
        return "made-up data of the same shape" if self.made_up else "MNIST and Fashion-MNIST, full"


@contextmanager
def data_folder(given: Path | None, rows: tuple[int, int] = (60_000, 10_000)) -> Iterator[Data]:
    """The folder given, or a temporary one of made-up data.

    Args:
        given: From the command line or the environment.
        rows: Made-up training and test images of each set.
    """
    given = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if given:
        yield Data(given.resolve(), made_up=False)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_up(Path(folder), rows)
        yield Data(Path(folder), made_up=True)


def make_up(root: Path, rows: tuple[int, int]) -> None:
    """Write both sets as IDX files: every class a pattern of its own, half a dark frame, under noise."""
    for seed, name in enumerate(_FOLDERS):
        draws = np.random.default_rng(seed)
        patterns = draws.integers(0, 160, (_CLASSES, _SIDE, _SIDE)) * (draws.random((_SIDE, _SIDE)) < 0.5)
        folder = root / name / "raw"
        folder.mkdir(parents=True)
        for stem, count in zip(("train", "t10k"), rows, strict=True):
            labels = draws.permutation(np.arange(count) % _CLASSES).astype(np.uint8)
            images = patterns.astype(np.uint8)[labels]
            images += draws.integers(0, 96, images.shape, dtype=np.uint8)
            _write_idx(folder / f"{stem}-images-idx3-ubyte", images)
            _write_idx(folder / f"{stem}-labels-idx1-ubyte", labels)


def prepared_from(data: Data, experiment: Experiment, folder: Path) -> Prepared:
    """The splits that `headway prepare` would make, in an empty folder."""
    place = Place(variant="full", shipped=folder, root=data.root, downloads=folder)
    prepare(experiment, place, folder, lambda _: None)
    return open_prepared(folder)


def _write_idx(path: Path, values: np.ndarray) -> None:
    header = struct.pack(f">HBB{values.ndim}I", 0, 0x08, values.ndim, *values.shape)
    path.write_bytes(header + values.tobytes())
