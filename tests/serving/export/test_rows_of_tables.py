"""A program encodes the rows of a table as training does."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.data.encodings import dates
from pipeline.data.encodings.hashed_words import hashed_rows
from pipeline.serving.export.examples import example
from pipeline.serving.export.table import _FEATURES, TableRows, features_of
from pipeline.serving.rows import Rows
from pipeline.serving.specification import SourceSpec

COLUMNS = [
    {"name": "town", "kind": "categorical", "type": "text", "values": ["Bern", "Oslo"], "rare": 0.0},
    {"name": "area", "kind": "numeric", "mean": 50.0, "std": 20.0, "clip": [10.0, 90.0], "marked": True},
    {"name": "built", "kind": "date", "marked": True, "features": [
        {"of": "days", "mean": 9000.0, "std": 400.0, "clip": [8000.0, 10000.0]},
        {"of": "weekday", "mean": 3.0, "std": 2.0},
    ]},
    {"name": "remarks", "kind": "text", "width": 8},
    {"name": "floor", "kind": "categorical", "type": "number", "values": ["1", "2.5"], "rare": 0.0},
    {"name": "seen", "kind": "date", "marked": True, "features": []},
    {"name": "rooms", "kind": "numeric", "mean": 3.0, "std": 0.5, "marked": False},
]  # fmt: skip
TABLE = SourceSpec([8 + 4 + 3 + 2], 1.0, encoding={"kind": "table", "missing": ["?", "-999"], "columns": COLUMNS})


@pytest.mark.parametrize("kinds", [{"numeric"}, {"categorical"}, {"text"}, {"date", "categorical"}, None])
def test_rows_are_those_of_the_served_model(kinds: set[str] | None) -> None:
    columns = [it for it in COLUMNS if kinds is None or it["kind"] in kinds]
    table = SourceSpec(TABLE.shape, 1.0, encoding={**(TABLE.encoding or {}), "columns": columns})
    made = example("s", table)
    wanted = Rows.of("s", table).values(made.frame, 0)
    np.testing.assert_array_equal(TableRows(table)(list(made.tensors.values())), wanted)


def test_examples_have_gaps_unknown_values_and_extremes() -> None:
    made = example("s", TABLE)
    town, area, seen = (made.tensors[f"s/{name}"] for name in ("town", "area", "seen"))
    assert set(town.tolist()) == {0, 1, 2}
    assert (made.frame["area"] == -999).any()
    assert area.isnan().any()
    assert area.nan_to_num(0.0).max() > 90
    assert seen.isnan().any()
    assert made.texts.keys() == {"s/town", "s/floor"}


def test_features_of_dates_are_those_of_training() -> None:
    moments = pd.Series(
        [
            *pd.date_range("1896-02-27", "1904-03-02", freq="1D").astype(str),
            *pd.date_range("1969-12-25", "1970-01-07", freq="7h").astype(str),
            *(f"{year:04}-{day}" for year in (1, 4, 100, 400, 1582, 2000, 2023, 9999) for day in ("01-01", "03-01")),
        ]
    )  # fmt: skip
    seconds = np.array([*moments.map(dates.seconds_of), np.nan, -0.5, 86_399.75])
    wanted = dates.features_of(seconds)
    np.testing.assert_allclose(
        features_of(torch.from_numpy(seconds)), np.stack([wanted[it] for it in _FEATURES], 1), rtol=1e-12, atol=1e-12
    )


def test_a_text_is_hashed_as_documented(tmp_path: Path) -> None:
    """The example of docs/export.md."""
    numbers = hashed_rows(["old but quiet", ""], np.array([0, 1, -1]), 8)
    assert numbers.shape == (3, 8)
    assert not numbers[1:].any()
