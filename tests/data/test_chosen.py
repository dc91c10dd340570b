"""Which columns are inputs where an experiment says a pattern, or nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config.sources import TableSettings
from pipeline.data.sources.chosen import chosen
from pipeline.data.tables.typed import open_table
from pipeline.errors import UserError

ROWS = 60
DRAWS = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "key": [f"k{row:03}" for row in range(ROWS)],
        "x_1": DRAWS.normal(size=ROWS),
        "zip": DRAWS.integers(0, 9, ROWS),
        "y": DRAWS.integers(0, 2, ROWS),
        "note_a": DRAWS.choice(["one", "two"], ROWS),
        "note.b": DRAWS.choice(["one", "two"], ROWS),
        "day": pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d"),
        "same": 1,
        "a*b": DRAWS.normal(size=ROWS),
        "x_[2]": DRAWS.normal(size=ROWS),
    }
)


def kinds(folder: Path, taken: tuple[str, ...] = ("y",), **own: Any) -> tuple[dict[str, str], list[str]]:
    FRAME.to_csv(folder / "t.csv", index=False)
    said: list[str] = []
    settings = TableSettings.model_validate({"kind": "table", "path": "t.csv"} | own)
    return chosen("t", settings, open_table(folder / "t.csv"), taken, said.append), said


def refused(folder: Path, **own: Any) -> str:
    with pytest.raises(UserError) as error:
        kinds(folder, **own)
    return str(error.value)


def test_left_out_they_are_all_that_can_be_one(tmp_path: Path) -> None:
    found, said = kinds(tmp_path)
    assert found == {
        "x_1": "numeric", "zip": "numeric", "note_a": "categorical", "note.b": "categorical", "day": "date",
        "a*b": "numeric", "x_[2]": "numeric",
    }  # fmt: skip
    assert list(found) == [name for name in FRAME if name in found]
    assert said == [
        "t: 7 of 10 columns are inputs (4 numeric, 2 categorical, 1 date); left out: 'key' (of which every row has its "
        "own), 'same' (the same in every row)"
    ]


def test_names_come_before_patterns_and_patterns_in_their_order(tmp_path: Path) -> None:
    found, _ = kinds(tmp_path, inputs={"x_*": "numeric", "zip": "categorical", "*": "auto"}, exclude=["note?a", "a*b"])
    assert found == {
        "x_1": "numeric", "x_[2]": "numeric", "zip": "categorical", "note.b": "categorical", "day": "date",
    }  # fmt: skip
    assert list(found)[:3] == ["x_1", "x_[2]", "zip"]


def test_what_no_pattern_says_is_as_it_is_written_and_nothing_is_looked_at(tmp_path: Path) -> None:
    found, said = kinds(tmp_path, inputs={"zip": "categorical", "key": "categorical", "a*b": "numeric"})
    assert found == {"zip": "categorical", "key": "categorical", "a*b": "numeric"}
    assert said == []


def test_labels_and_what_rows_are_split_by_are_left_to_their_use(tmp_path: Path) -> None:
    found, _ = kinds(tmp_path, taken=("y", "zip", "note_a"))
    assert not {"y", "zip", "note_a"} & set(found)


@pytest.mark.parametrize(
    ("own", "line"),
    [
        (
            {"inputs": {"q*": "numeric"}},
            "sources.t.inputs: no column matches 'q*'; the columns are 'key', 'x_1', 'zip' and",
        ),
        ({"exclude": ["q"]}, "sources.t.exclude: no column 'q'; the columns are"),
        ({"exclude": ["q_*"]}, "sources.t.exclude: no column 'q_*'; the columns are"),
        ({"inputs": {"zip": "numeric"}, "exclude": ["zip"]}, "sources.t.exclude: 'zip' is named in inputs, too"),
        ({"inputs": {"key": "auto"}}, "sources.t.inputs.key: auto leaves it out (of which every row has its own"),
        ({"exclude": ["*"]}, "no column is left to predict from"),
    ],
)
def test_what_stands_for_nothing_is_one_line(own: dict[str, Any], line: str, tmp_path: Path) -> None:
    assert line in refused(tmp_path, **own)
