"""Penguins, and ten larger public tables that a fixed seed draws, cut down to each size."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.public.drawn import drawn, kind_of
from benchmarks.public.tables import publics

SIZES = (150, 500, 2_000)
DRAW, DRAWN, ROWS = 22, 10, (2_000, 100_000)
_TRIED = 60  # tables that are looked at until so many fit


@dataclass(frozen=True)
class Table:
    """A public table.

    Attributes:
        name: Of it.
        frame: The table.
        targets: Kinds by column.
    """

    name: str
    frame: pd.DataFrame
    targets: Mapping[str, str]

    @property
    def sizes(self) -> list[int]:
        """Those that it has enough rows for."""
        return [it for it in SIZES if it <= len(self.frame)]

    def cut(self, rows: int, draw: int) -> pd.DataFrame:
        """So many rows of it, in an order of chance; the rows of a smaller size are among those of a larger one."""
        return self.frame.iloc[np.random.default_rng(draw).permutation(len(self.frame))[:rows]]


def tables() -> Iterator[Table]:
    """All of them: their targets are of the same kinds in the rows of every size."""
    penguins = publics()["penguins"]
    assert penguins.frame
    yield Table("penguins", penguins.frame(), penguins.targets)
    found = 0
    for it in drawn(DRAW, _TRIED, ROWS):
        table = Table(it.name, it.frame(), it.targets)
        if found < DRAWN and all(_fits(table.cut(rows, draw=0), it.targets) for rows in SIZES):
            found += 1
            yield table
        if found == DRAWN:
            return


def _fits(frame: pd.DataFrame, targets: Mapping[str, str]) -> bool:
    return all(kind_of(frame[column]) == kind for column, kind in targets.items())
