"""What a source is: a stream of examples with the labels of one or more tasks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

Report = Callable[[str], None]
"""Takes a line about what is being done."""


@dataclass(frozen=True)
class Part:
    """Some examples.

    Attributes:
        inputs: [N, ...] as stored: what the network sees is inputs / scale.
        labels: By label name. One class a row: int64 [N], from 0, -1 where missing. Several labels a row: floats
            [N, L], 1 or 0, NaN where unknown. Numbers: floats [N], NaN where missing.
    """

    inputs: np.ndarray
    labels: dict[str, np.ndarray]


@dataclass(frozen=True)
class Examples:
    """All that a source holds.

    Attributes:
        train: The training part.
        test: The test part; None where the source has none of its own.
        classes: By label name, the names of its classes, or of the several labels, in order; of numbers none.
        scale: Inputs are divided by it.
    """

    train: Part
    test: Part | None
    classes: dict[str, list[str]]
    scale: float = 1.0


@dataclass(frozen=True)
class Place:
    """Where a source finds its files.

    Attributes:
        variant: sample or full.
        shipped: Folder of the data that ships.
        root: Folder that the user gave; None to download.
        downloads: Folder that downloads go to.
    """

    variant: str
    shipped: Path
    root: Path | None
    downloads: Path


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
