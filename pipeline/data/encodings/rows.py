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

    Raises:
        RowError: A number is too large to be standardised.
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
            found["numbers"] += [_standardised(features[it["of"]], it, column["name"]) for it in column["features"]]
        else:
            own = numbers(column["name"])
            found["numbers"].append(_standardised(own, column, column["name"]))
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


def _standardised(values: np.ndarray, about: Mapping[str, Any], name: str) -> np.ndarray:
    own = values.clip(*about.get("clip", _EVERYTHING))
    with np.errstate(over="ignore"):
        standardised: np.ndarray = (own - about["mean"]) / about["std"]
    if (wrong := too_large(standardised)).any():
        row = int(np.argmax(wrong))
        raise RowError(row, f"column '{name}': {own[row]:g} is too large beside what training showed")
    return np.nan_to_num(standardised, nan=0.0)
