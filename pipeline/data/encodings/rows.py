"""Rows of a table from its columns, as training and every model make them.

Legend of shapes: B rows, N numeric columns, M of them with missing values in train, C categorical columns.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.data.encodings.values import TEXT, Codes

NUMERIC, CATEGORICAL = "numeric", "categorical"
_EVERYTHING = (-np.inf, np.inf)


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
    """
    found: dict[str, list[np.ndarray]] = {"numbers": [], "marks": [], "codes": []}
    for column in columns:
        if column["kind"] == CATEGORICAL:
            found["codes"].append(codes(column["name"]))
            continue
        own = numbers(column["name"]).clip(*column.get("clip", _EVERYTHING))
        found["numbers"].append(np.nan_to_num((own - column["mean"]) / column["std"], nan=0.0))
        if column["marked"]:
            found["marks"].append(np.isnan(own))
    every = [one for kind in found.values() for one in kind]
    values = np.empty((rows, len(every)), np.float32)
    for place, column_values in enumerate(every):
        values[:, place] = column_values
    return values
