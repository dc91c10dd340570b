"""The columns of a table of rows to score: `pixel_0` ... `pixel_{F-1}`, in any order, among others or alone."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError

_SHOWN = 3


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are read.

    Attributes:
        pixels: The F columns, in the order of the pixels.
        others: All others.
    """

    pixels: list[str]
    others: list[str]


def pixel_columns(features: int) -> list[str]:
    """Names of the columns of a row of so many values."""
    return [f"pixel_{index}" for index in range(features)]


def choose_columns(path: Path, found: Sequence[str], sizes: Sequence[int]) -> Columns:
    """Find the pixels among a table's columns.

    Args:
        path: Of the table, for the error.
        found: All its columns.
        sizes: Values of a row, for each kind of row that the model knows.

    Raises:
        UserError: Columns are missing, too many, or there twice.
    """
    pixels = {name for name in found if re.fullmatch(r"pixel_\d+", name)}
    size = min(sizes, key=lambda size: abs(size - len(pixels)))
    expected = pixel_columns(size)
    known = f"the model reads {expected[0]} to {expected[-1]}"
    if not pixels:
        raise UserError(f"{path}: no column of pixels ({known}); the columns are {some(found)}")
    if missing := [name for name in expected if name not in pixels]:
        raise UserError(f"{path}: missing {some(missing)} ({known})")
    if unexpected := sorted(pixels - set(expected)):
        raise UserError(f"{path}: unexpected {some(unexpected)} ({known})")
    if twice := sorted(name for name in pixels if found.count(name) > 1):
        raise UserError(f"{path}: {some(twice)} there twice")
    return Columns(expected, [name for name in found if name not in pixels])


def counted(kinds: Mapping[str, str]) -> str:
    """How many columns are of each kind: `9,000 numeric, 12 categorical`."""
    return ", ".join(f"{count:,} {kind}" for kind, count in Counter(kinds.values()).items())


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + more
