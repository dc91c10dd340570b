"""Rows of a table from its columns, as training and every model make them.

Legend of shapes: B rows, N numeric columns, M of them with missing values in train, C categorical columns.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.data.encodings.values import TEXT, Codes

NUMERIC, CATEGORICAL = "numeric", "categorical"
LARGEST = float(np.finfo(np.float32).max)
"""No number is larger: networks compute in float32."""
_EVERYTHING = (-np.inf, np.inf)


class RowError(ValueError):
    """A row has no answer.

    Args:
        row: Its number, from 0.
        what: What is wrong, and where in the row.
    """

    def __init__(self, row: int, what: str) -> None:
        super().__init__(f"row {row} (from 0), {what}")
        self.row, self.what = row, what


def too_large(values: np.ndarray) -> np.ndarray:
    """Which numbers [B] are infinite, or beyond float32: bool [B]; a missing one is not."""
    return np.abs(values) > LARGEST


def codes_of(encoding: Mapping[str, Any]) -> dict[str, Codes]:
    """What gives the values of each categorical column their codes; without a type they are as they are spelled."""
    return {
        it["name"]: Codes(it["values"], it.get("type", TEXT), encoding.get("missing") or ())
        for it in encoding["columns"]
        if it["kind"] == CATEGORICAL
    }


def encoded(
    columns: Sequence[Mapping[str, Any]],
    rows: int,
    numbers: Callable[[str], np.ndarray],
    codes: Callable[[str], np.ndarray],
) -> np.ndarray:
    """Numbers clipped and standardised, marks of missing ones, codes of categories: float32 [B, N + M + C].

    Args:
        columns: As `ColumnsEncoding` knows them.
        rows: B.
        numbers: The numbers of a column by its name, float64 [B], NaN where missing.
        codes: The codes of a column by its name [B].

    Raises:
        RowError: A number is too large to be standardised.
    """
    found: dict[str, list[np.ndarray]] = {"numbers": [], "marks": [], "codes": []}
    for column in columns:
        if column["kind"] == CATEGORICAL:
            found["codes"].append(codes(column["name"]))
            continue
        own = numbers(column["name"]).clip(*column.get("clip", _EVERYTHING))
        with np.errstate(over="ignore"):
            standardised = (own - column["mean"]) / column["std"]
        if (wrong := too_large(standardised)).any():
            row = int(np.argmax(wrong))
            raise RowError(row, f"column '{column['name']}': {own[row]:g} is too large beside what training showed")
        found["numbers"].append(np.nan_to_num(standardised, nan=0.0))
        if column["marked"]:
            found["marks"].append(np.isnan(own))
    every = [one for kind in found.values() for one in kind]
    values = np.empty((rows, len(every)), np.float32)
    for place, column_values in enumerate(every):
        values[:, place] = column_values
    return values
