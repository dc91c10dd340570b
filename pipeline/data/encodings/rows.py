"""Rows of a table from its columns, as training and every model make them.

Legend of shapes: B rows; N numbers: one of a numeric column, some of a date, W of a text; M marks of numeric columns
and dates with missing values in train; C categorical columns.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.data.encodings.dates import features_of
from pipeline.data.encodings.hashed_words import hashed_rows
from pipeline.data.encodings.values import TEXT, Codes

NUMERIC, CATEGORICAL, DATE, FREE_TEXT = "numeric", "categorical", "date", "text"
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
    dates: Callable[[str], np.ndarray],
    texts: Callable[[str], tuple[Sequence[str], np.ndarray]],
) -> np.ndarray:
    """Numbers clipped and standardised, marks of missing ones, codes of categories: float32 [B, N + M + C].

    Args:
        columns: As `ColumnsEncoding` knows them.
        rows: B.
        numbers: The numbers of a column by its name, float64 [B], NaN where missing.
        codes: The codes of a column by its name [B].
        dates: The dates of a column by its name, in seconds since 1970, float64 [B], NaN where missing.
        texts: The different texts of a column by its name, and the place of each row's [B], -1 where missing.
    """
    found: dict[str, list[np.ndarray]] = {"numbers": [], "marks": [], "codes": []}
    for column in columns:
        if column["kind"] == CATEGORICAL:
            found["codes"].append(codes(column["name"]))
            continue
        if column["kind"] == FREE_TEXT:
            found["numbers"] += [*hashed_rows(*texts(column["name"]), column["width"]).T]
            continue
        if column["kind"] == DATE:
            features = features_of(own := dates(column["name"]))
            found["numbers"] += [_standardised(features[it["of"]], it) for it in column["features"]]
        else:
            own = numbers(column["name"])
            found["numbers"].append(_standardised(own, column))
        if column["marked"]:
            found["marks"].append(np.isnan(own))
    every = [one for kind in found.values() for one in kind]
    values = np.empty((rows, len(every)), np.float32)
    for place, column_values in enumerate(every):
        values[:, place] = column_values
    return values


def widths(columns: Sequence[Mapping[str, Any]]) -> list[tuple[int, int, int]]:
    """How many numbers, marks and codes each column has in a row."""
    return [
        (0, 0, 1)
        if column["kind"] == CATEGORICAL
        else (column.get("width", len(column.get("features", [None]))), int(column.get("marked", False)), 0)
        for column in columns
    ]


def _standardised(values: np.ndarray, about: Mapping[str, Any]) -> np.ndarray:
    own = values.clip(*about.get("clip", _EVERYTHING))
    standardised: np.ndarray = np.nan_to_num((own - about["mean"]) / about["std"], nan=0.0)
    return standardised
