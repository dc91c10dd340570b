"""What a model makes of the rows of a table: a part of `served_model`, which goes into the models that read tables.

This file stands alone, as that one does.

Legend of shapes: B rows, N numbers of a row, which come first, C codes of categories behind them, D values of an
embedding.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

_EVERYTHING = (-np.inf, np.inf)


def encoded(encoding: Mapping[str, Any], frame: pd.DataFrame, first: int) -> Tensor:
    """The columns of a table as training has encoded them, float32 [B, F]: numbers, marks of missing ones, codes.

    Args:
        encoding: As the spec has it.
        frame: The columns, among others or alone.
        first: Number of the frame's first row.

    Raises:
        ValueError: A number is none, or infinite.
    """
    found: dict[str, list[np.ndarray]] = {"numbers": [], "marks": [], "codes": []}
    for column in encoding["columns"]:
        values = frame[column["name"]]
        if column["kind"] == "categorical":
            found["codes"].append(_codes(values, column["values"]))
            continue
        own = _numbers(values, first).clip(*column.get("clip", _EVERYTHING))
        found["numbers"].append(np.nan_to_num((own - column["mean"]) / column["std"], nan=0.0))
        if column["marked"]:
            found["marks"].append(np.isnan(own))
    columns = [it for kind in found.values() for it in kind]
    return torch.from_numpy(np.stack(columns, 1).astype(np.float32))


def _numbers(values: pd.Series, first: int) -> np.ndarray:
    """float64, NaN where missing."""
    numbers: np.ndarray = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = np.isinf(numbers) | (np.isnan(numbers) & values.notna().to_numpy())
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"row {first + row} (from 0), column '{values.name}': {values.iloc[row]!r} is no finite number"
        )
    return numbers


def _codes(values: pd.Series, known: Sequence[str]) -> np.ndarray:
    """Places among the known values from 1; 0 where missing or unknown."""
    places = {word: place for place, word in enumerate(known, 1)}
    each, different = pd.factorize(values.astype(object))
    codes = np.array([places.get(_word(value), 0) for value in different] + [0])
    found: np.ndarray = codes[each]  # a missing one has the place -1, the last
    return found


def _word(value: Any) -> str:
    """A value as tables are read: whole numbers without a point."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


class CategoryEmbedding(nn.Module):
    """Numbers pass; codes become their columns' vectors: [B, N + C] -> [B, N + C * D]."""

    def __init__(self, numbers: int, sizes: Sequence[int], width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(sum(sizes), width))
        self._numbers, self._begins = numbers, [sum(sizes[:place]) for place in range(len(sizes))]

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        codes = x[:, self._numbers :].long() + torch.tensor(self._begins)
        return torch.cat([x[:, : self._numbers], self.weight[codes].flatten(1)], 1)


class NumberEmbedding(nn.Module):
    """Each number becomes a vector; codes pass: [B, N + C] -> [B, N * D + C]."""

    def __init__(self, numbers: int, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(numbers, width)), nn.Parameter(torch.zeros(numbers, width))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        numbers = len(self.weight)
        vectors = torch.relu(torch.addcmul(self.bias, x[:, :numbers, None], self.weight))
        return torch.cat([vectors.flatten(1), x[:, numbers:]], 1)
