"""The inputs of a network that attributions are given for: pixels, the columns of a table, the tokens of a text.

Legend of shapes: B rows, F values of a row, I inputs that are distinguished (of a text its T places), C numbers of a
token, N names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.data.encodings.readable import Readable
from pipeline.data.encodings.rows import CATEGORICAL, NUMERIC, widths
from pipeline.data.encodings.words import PADDING

OFTEN = 5
"""Times that a word has to be there, to be shown."""


@dataclass(frozen=True)
class Inputs:
    """Pixels or columns: each row has all of them.

    Attributes:
        names: Of the columns, [I]; of pixels none.
        image: Height and width of an image, whose I pixels they are; None of a table.
        of_value: Which input each value of a row belongs to, int [F]: the channels of a pixel, a column's numbers and
            its mark of a missing one.
        columns: Of a table, what the encoding knows of each.
    """

    names: tuple[str, ...]
    image: tuple[int, int] | None
    of_value: np.ndarray
    columns: tuple[Mapping[str, Any], ...] = field(default=(), kw_only=True)

    @property
    def count(self) -> int:
        """I."""
        return int(self.of_value.max()) + 1

    def like(self, other: "Inputs") -> bool:
        """Whether these are the same pixels, columns or words."""
        return type(self) is type(other) and (self.names, self.image) == (other.names, other.image)

    def empty(self, rows: Tensor) -> Tensor:
        """What rows are held against, [B, F]: black pixels, numbers at their mean, unknown categories."""
        return torch.zeros_like(rows)

    def there(self, rows: Tensor) -> np.ndarray:
        """Which inputs a row has, bool [B, I]."""
        return np.ones((len(rows), self.count), bool)

    def means(self, values: np.ndarray, rows: Tensor) -> np.ndarray:
        """The mean over rows of values [B, I], without what is NaN: [I]."""
        return np.nanmean(values, axis=0)

    def read(self, row: Tensor) -> list[str]:
        """What stands in each column of a row [F], such as `area 103.2`; of pixels nothing."""
        return [
            f"{it['name']} {self._shown(it, row.numpy()[self.of_value == place])}"
            for place, it in enumerate(self.columns)
        ]

    @staticmethod
    def _shown(column: Mapping[str, Any], own: np.ndarray) -> str:
        """The value that a column's numbers, mark and code [V] stand for."""
        if column["kind"] == CATEGORICAL:
            code = int(own[0])
            return f"= {column['values'][code - 1]}" if 0 < code <= len(column["values"]) else "(missing or unknown)"
        if column.get("marked") and own[-1]:
            return "(missing)"
        if column["kind"] == NUMERIC:
            return f"= {own[0] * column['std'] + column['mean']:.4g}"
        return f"(a {column['kind']})"


@dataclass(frozen=True)
class Tokens(Inputs):
    """Places of a text, which are as many as its tokens.

    Attributes:
        names: Of the words, by their numbers.
        readable: Puts rows into words.
        shape: Of a row, (T, C).
    """

    readable: Readable
    shape: tuple[int, int]

    def empty(self, rows: Tensor) -> Tensor:
        """As many tokens [B, F], of which nothing is known: an unknown word, no shape, no letters."""
        found = torch.zeros_like(rows).unflatten(1, self.shape)
        found[:, :, 0] = torch.from_numpy(np.where(self._words(rows) == PADDING, PADDING, self.readable.unknown))
        return found.flatten(1)

    def there(self, rows: Tensor) -> np.ndarray:
        """Which places have a token, bool [B, T]."""
        return self._words(rows) != PADDING

    def means(self, values: np.ndarray, rows: Tensor) -> np.ndarray:
        """The mean over the occurrences of each known word of values [B, T]: [N]; NaN of a word that is rare here."""
        words, counted = self._words(rows), ~np.isnan(values)
        sums = np.bincount(words[counted], values[counted], len(self.names))
        times = self.times(values, rows)
        known = (times >= OFTEN) & ~np.isin(np.arange(len(times)), (PADDING, self.readable.unknown))
        return np.where(known, sums / np.maximum(times, 1), np.nan)

    def times(self, values: np.ndarray, rows: Tensor) -> np.ndarray:
        """How often each word has a value that is not NaN, [N]."""
        return np.bincount(self._words(rows)[~np.isnan(values)], minlength=len(self.names))

    def read(self, row: Tensor) -> list[str]:
        """The tokens of a row [F]."""
        return self.readable.tokens(row.numpy().reshape(self.shape))

    def _words(self, rows: Tensor) -> np.ndarray:
        """The first number of each token, int [B, T]."""
        return rows.unflatten(1, self.shape)[:, :, 0].numpy().astype(int)


def inputs_of(shape: tuple[int, ...], encoding: Mapping[str, Any] | None) -> Inputs:
    """The inputs of a source's rows.

    Args:
        shape: Of a row: [H, W], [C, H, W], [T, C] of text, or flat.
        encoding: What made the rows, None where they are as the source has them.

    Raises:
        ValueError: They are of an encoding that is not known here.
    """
    if encoding is None:
        if len(shape) == 1:
            return Inputs(tuple(f"value_{place}" for place in range(shape[0])), None, np.arange(shape[0]))
        height, width = shape[-2:]
        pixels = np.arange(height * width)
        return Inputs((), (height, width), np.tile(pixels, int(np.prod(shape)) // len(pixels)))
    if encoding["kind"] == "text":
        length, numbers = shape
        readable = Readable(dict(encoding))
        return Tokens(readable.words, None, np.repeat(np.arange(length), numbers), readable, (length, numbers))
    if encoding["kind"] != "table":
        raise ValueError(f"rows of kind '{encoding['kind']}'")
    columns = encoding["columns"]
    of_kind = zip(*widths(columns), strict=True)  # first all numbers of a row, then its marks, then its codes
    places = [place for counts in of_kind for place, count in enumerate(counts) for _ in range(count)]
    return Inputs(tuple(it["name"] for it in columns), None, np.array(places), columns=tuple(columns))
