"""Rows of a table from its columns, as training and every model make them.

Legend of shapes: B rows, N numeric columns, M of them with missing values in train, C categorical columns.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

NUMERIC, CATEGORICAL = "numeric", "categorical"
_EVERYTHING = (-np.inf, np.inf)


def encoded(
    columns: Sequence[Mapping[str, Any]],
    rows: int,
    numbers: Callable[[str], np.ndarray],
    codes: Callable[[str, Sequence[str]], np.ndarray],
) -> np.ndarray:
    """Numbers clipped and standardised, marks of missing ones, codes of categories: float32 [B, N + M + C].

    Args:
        columns: As `ColumnsEncoding` knows them.
        rows: B.
        numbers: The numbers of a column by its name, float64 [B], NaN where missing.
        codes: The places [B] of a column's values among known ones, from 1; 0 where missing or unknown.
    """
    found: dict[str, list[np.ndarray]] = {"numbers": [], "marks": [], "codes": []}
    for column in columns:
        if column["kind"] == CATEGORICAL:
            found["codes"].append(codes(column["name"], column["values"]))
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
