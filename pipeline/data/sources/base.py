"""What a source is: a stream of examples with the labels of one or more tasks."""

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pipeline.config.tasks import TaskSettings
from pipeline.data.encodings.text import TextEncoder
from pipeline.errors import Failure
from pipeline.files import check_regular

Report = Callable[[str], None]
"""Takes a line about what is being done."""


SPLITS = ("train", "validation", "test")

_SHIPPED = ("experiments", "data")


class Stream(Protocol):
    """Inputs that are read anew each time they are gone through, and never lie in memory as a whole."""

    def __len__(self) -> int:
        """N, the number of rows."""

    def chunks(self) -> Iterator[Any]:
        """All rows in order, a few at a time: each answers `len`, and is what the encoder takes, or an array."""


@dataclass(frozen=True)
class Streamed:
    """A stream that a function reads.

    Attributes:
        rows: N.
        chunks: Reads all rows, some at a time.
    """

    rows: int
    chunks: Callable[[], Iterator[Any]]

    def __len__(self) -> int:
        return self.rows


class Encoding(Protocol):
    """What turns chunks of a stream into arrays; everything that it knows of the data, it knows from train."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one encoded row."""

    @property
    def about(self) -> dict[str, Any]:
        """What rebuilds it elsewhere, as JSON: it goes into the manifest and into every model."""

    def encode(self, chunk: Any) -> np.ndarray:
        """A chunk's rows as float32 or integers [B, F]."""


@runtime_checkable
class Cutting(Protocol):
    """An encoding that may lose the end of a row."""

    def cut(self, chunk: Any) -> np.ndarray:
        """Which of a chunk's rows lose something, bool [B]."""


class Encoder(Protocol):
    """Makes an encoding."""

    @property
    def family(self) -> str:
        """Sources of one family share one encoding, fitted on all of them, so that a trunk can read them all."""

    def fit(self, chunks: Iterable[tuple[Any, np.ndarray]]) -> Encoding:
        """The encoding, from chunks and which of their rows are training rows, bool [B].

        Raises:
            UserError: The rows cannot be encoded.
        """


@dataclass(frozen=True)
class Part:
    """Some examples.

    Attributes:
        inputs: [N, ...] as stored: what the network sees is inputs / scale. Or a stream of rows still to be encoded.
        labels: By label name. One class a row: whole numbers [N], from 0, -1 where missing. Several labels a row:
            floats [N, L], 1 or 0, NaN where unknown. A tag a token: whole numbers [N, L], -1 where unknown and after
            the end of a row's tokens, of which the last may be cut later. Numbers: floats [N], NaN where missing.
        group: Whole numbers [N]: rows of one group are to be in one split; None where rows are independent.
        time: Numbers [N] that grow with time, by which the rows are to be split; None where it does not matter.
        split: Places in `SPLITS` [N], where the source itself says which rows are what; else None.
    """

    inputs: np.ndarray | Stream
    labels: dict[str, np.ndarray]
    group: np.ndarray | None = None
    time: np.ndarray | None = None
    split: np.ndarray | None = None


@dataclass(frozen=True)
class Examples:
    """All that a source holds.

    Attributes:
        train: The training part.
        test: The test part; None where the source has none of its own.
        classes: By label name, the names of its classes, or of the several labels, in order; of numbers none.
        scale: Inputs are divided by it.
        encoder: Of the inputs, where they are streams of anything but arrays.
        reading: How the source makes of what it holds what the encoder takes, as JSON; it stands beside the encoding.
        resized: Inputs are images that were resized to their shape; those to be predicted are to be, too.
        worded: Labels whose classes are the words of the rows, spelled and ordered by the type that they have together.
    """

    train: Part
    test: Part | None
    classes: dict[str, list[str]]
    scale: float = 1.0
    encoder: Encoder | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    resized: bool = False
    worded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    """Where a source finds its files.

    Attributes:
        variant: sample or full.
        shipped: Folder of the data that ships.
        root: Folder that the user gave; None to download.
        downloads: Folder that downloads go to.
        project: The project folder.
    """

    variant: str
    shipped: Path
    root: Path | None
    downloads: Path
    project: Path = Path()

    def of(self, path: str) -> Path:
        """Where a declared source's path leads: from `root` where there is one, else from the project folder.

        What is not there, and in `experiments/data`, is looked for among the data that ship.

        Raises:
            UserError: To a pipe or a device.
        """
        found = (self.root or self.project) / Path(path).expanduser()
        parts = Path(path).parts
        if self.root is None and parts[:2] == _SHIPPED and not found.exists():
            shipped = self.shipped.joinpath(*parts[2:])
            found = shipped if shipped.exists() else found
        check_regular(found)
        return found


def package_folder(name: str) -> Path | None:
    """Where an installed package lies, which is not imported; None where there is none."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def sklearn_data() -> Path:
    """The folder of the data that scikit-learn brings.

    Raises:
        Failure: It is not installed.
    """
    if (folder := package_folder("sklearn")) is None:
        raise Failure("scikit-learn is not installed: pip install scikit-learn")
    return folder / "datasets" / "data"


@dataclass(frozen=True)
class Fingerprint:
    """What a source's examples depend on, known without reading them.

    Attributes:
        checksums: By file name: the sha256, or `md5:...` for a download, done or still to come.
        notes: What a user should know, such as an unofficial checksum.
    """

    checksums: dict[str, str]
    notes: list[str] = field(default_factory=list)


class Source(Protocol):
    """Where examples come from."""

    def fingerprint(self, place: Place) -> Fingerprint:
        """What the examples depend on; imports nothing heavy.

        Raises:
            UserError: A file that should be there is not.
        """

    def read(self, place: Place, report: Report) -> Examples:
        """Read all examples.

        Raises:
            UserError: A file is missing or broken.
            Failure: A download did not succeed.
        """


@dataclass(frozen=True)
class Declared:
    """What a source is made of that an experiment declares.

    Attributes:
        name: Of the source.
        settings: What the experiment says of it.
        tasks: Those that read it.
        encoder: Of text.
    """

    name: str
    settings: Any
    tasks: Mapping[str, TaskSettings]
    encoder: TextEncoder
