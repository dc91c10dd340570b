"""Dates and free text as columns of a table: what a network is told of them, the same wherever they come from."""

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config import Experiment
from pipeline.data.encodings.dates import features_of, seconds_of
from pipeline.data.encodings.hashed_words import hashed_words
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared, open_split
from pipeline.data.sources import Place
from pipeline.errors import UserError
from pipeline.serving.rows import Rows
from pipeline.serving.specification import SourceSpec
from pipeline.studies.explain.inputs import inputs_of

ROWS = 120
DRAWS = np.random.default_rng(0)
WORDS = np.array(["red", "blue", "small", "old", "new", "house", "car", "nice", "garden"])
WHEN = pd.date_range("2023-11-30 06:30", periods=ROWS, freq="31h").to_series(index=range(ROWS))
FRAME = pd.DataFrame(
    {
        "when": WHEN.dt.strftime("%Y-%m-%d %H:%M:%S"),
        "x": DRAWS.normal(size=ROWS),
        "note": [" ".join(DRAWS.choice(WORDS, 5)) for _ in range(ROWS)],
        "y": DRAWS.normal(size=ROWS),
    }
)
FRAME.loc[::10, "when"] = None
FRAME.loc[::11, "note"] = None
INPUTS = {"when": "date", "x": "numeric", "note": "text"}


def prepared(folder: Path, frame: pd.DataFrame = FRAME, **own: Any) -> Prepared:
    frame.to_csv(folder / "t.csv", index=False)
    table = {"kind": "table", "path": "t.csv", "inputs": INPUTS} | own
    tasks = {"y": {"kind": "regression", "source": "t"}}
    experiment = Experiment.model_validate({"name": "toy", "sources": {"t": table}, "tasks": tasks})
    (folder / "out").mkdir()
    prepare(experiment, Place("sample", folder, None, folder, folder), folder / "out", lambda line: None)
    return open_prepared(folder / "out")


def test_what_a_network_is_told_of_a_date_is_what_a_calendar_says() -> None:
    words = ["1969-12-31T23:30:00", "2024-02-29 18:45", "2024-12-31", "1900-03-01"]
    found = features_of(np.array([*map(seconds_of, words), np.nan]))
    for place, word in enumerate(words):
        day = datetime.datetime.fromisoformat(word)
        told = {name: values[place] for name, values in found.items()}
        assert told == {
            "year": day.year,
            "month": day.month,
            "weekday": day.weekday(),
            "hour": day.hour + day.minute / 60,
            "day_of_year": day.timetuple().tm_yday,
            "days": (day - datetime.datetime(1970, 1, 1)) / datetime.timedelta(days=1),
        }
    assert all(np.isnan(values[-1]) for values in found.values())


@pytest.mark.parametrize(
    ("word", "same"),
    [
        ("2024-05-31", "2024-05-31 00:00:00"),
        ("2024-05-31T12:00", "2024-05-31 12:00:00.000000000"),
        ("2024-05-31T14:00:00+02:00", "2024-05-31 12:00:00Z"),
        ("2024-05-31 14:00:00.5+0200", "2024-05-31 12:00:00.5"),
    ],
)
def test_a_date_is_the_same_however_it_is_spelled(word: str, same: str) -> None:
    assert seconds_of(word) == seconds_of(same) is not None


@pytest.mark.parametrize("word", ["", "2024", "20240531", "31.05.2024", "05/31/2024", "2024-02-30", "2024-W01-1", "x"])
def test_what_is_no_date_of_iso_8601_is_none(word: str) -> None:
    assert seconds_of(word) is None


def test_dates_and_texts_are_numbers_standardised_over_train_with_marks_of_gaps(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    when, _, note = data.sources["t"].encoding["columns"]
    assert [it["of"] for it in when["features"]] == ["year", "month", "weekday", "hour", "day_of_year", "days"]
    assert data.sources["t"].shape == (6 + 1 + note["width"] + 1,)
    rows = open_split(data, "train").inputs["t"]
    missing = rows[:, -1] == 1
    assert 0 < missing.mean() < 0.2
    assert not rows[missing, :6].any()
    np.testing.assert_allclose(rows[~missing, :6].mean(0), 0.0, atol=1e-6)
    np.testing.assert_allclose(rows[~missing, :6].std(0), 1.0, atol=0.02)  # clipped at the ends
    texts = rows[:, 7:-1]
    empty = ~texts.any(1)
    assert 0 < empty.mean() < 0.2
    np.testing.assert_allclose(np.square(texts[~empty]).mean(1), 1.0, rtol=1e-5)


def test_what_is_constant_in_train_is_left_out(tmp_path: Path) -> None:
    data = prepared(tmp_path, FRAME.assign(when=pd.date_range("2023-01-01", periods=ROWS).strftime("%Y-%m-%d")))
    assert [it["of"] for it in data.sources["t"].encoding["columns"][0]["features"]] == [
        "month", "weekday", "day_of_year", "days",
    ]  # fmt: skip


def test_the_same_words_in_another_order_are_the_same_and_others_are_not() -> None:
    one, two = hashed_words("A red House, a CAR", 64), hashed_words("car house red a, a", 64)
    np.testing.assert_array_equal(one, two)
    assert (hashed_words("N725MQ", 64) != hashed_words("N722MQ", 64)).any()  # digits tell them apart
    other = hashed_words("some blue garden", 64)
    assert abs(one @ other) < 0.5 * (one @ one)
    assert not hashed_words("  ", 64).any()


ASKED = {
    "text": lambda it: it,
    "timestamps": lambda it: it.assign(when=pd.to_datetime(it["when"])),
    "zones": lambda it: it.assign(when=pd.to_datetime(it["when"]).dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")),
    "iso": lambda it: it.assign(when=it["when"].str.replace(" ", "T") + "Z"),
    "objects": lambda it: it.assign(when=[None if pd.isna(day) else day for day in pd.to_datetime(it["when"])]),
    "json": lambda it: pd.DataFrame(json.loads(it.to_json(orient="records"))),
    "a word for gaps": lambda it: it.fillna({"when": "unknown", "note": "unknown"}),
}


@pytest.mark.parametrize("form", ASKED)
def test_a_served_row_is_the_prepared_one_to_the_last_bit(form: str, tmp_path: Path) -> None:
    data = prepared(tmp_path, FRAME.fillna({"when": "unknown", "note": "unknown"}), missing=["unknown"])
    about = data.sources["t"]
    rows = Rows.of("t", SourceSpec(about.shape, 1.0, encoding=about.encoding))
    served = {row.tobytes() for row in rows.values(ASKED[form](FRAME[[*INPUTS]]), 0)}
    wanted = np.concatenate([open_split(data, split).inputs["t"] for split in about.rows])
    assert {row.tobytes() for row in np.asarray(wanted)} == served


@pytest.mark.parametrize("value", ["31/05/2024", 1717113600, "soon"])
def test_what_is_no_date_is_one_line(value: Any, tmp_path: Path) -> None:
    about = prepared(tmp_path).sources["t"]
    rows = Rows.of("t", SourceSpec(about.shape, 1.0, encoding=about.encoding))
    with pytest.raises(ValueError, match=r"row 8 \(from 0\), column 'when': .* is no date: write it as 2024-05-31"):
        rows.values(pd.DataFrame({"when": [value], "x": [0.0], "note": ["red"]}), 8)
    (tmp_path / "again").mkdir()
    frame = FRAME.astype({"when": object})
    frame.loc[ROWS - 1, "when"] = value
    with pytest.raises(UserError, match=rf"t.csv: row {ROWS}, column 'when': '{value}' is no date"):
        prepared(tmp_path / "again", frame)


def test_no_two_dates_tell_nothing(tmp_path: Path) -> None:
    about = prepared(tmp_path, FRAME.assign(when="2024-01-01")).sources["t"].encoding
    assert about is not None
    assert (about["empty"], [column["name"] for column in about["columns"]]) == (["when"], ["x", "note"])


def test_of_a_date_that_hardly_any_row_has_it_counts_whether_a_row_has_it(tmp_path: Path) -> None:
    there = np.arange(ROWS) % 2 == 0
    data = prepared(tmp_path, FRAME.assign(when=np.where(there, "2024-01-01", None)))
    assert data.sources["t"].encoding["columns"][0]["features"] == []
    (tmp_path / "again").mkdir()
    usual = prepared(tmp_path / "again")
    features = len(usual.sources["t"].encoding["columns"][0]["features"])
    assert data.sources["t"].shape[0] == usual.sources["t"].shape[0] - features
    marks = np.concatenate([open_split(data, split).inputs["t"][:, 65] for split in data.sources["t"].rows])
    assert {*np.unique(marks)} == {0.0, 1.0}
    assert marks.sum() == (~there).sum()


def test_all_numbers_of_a_column_are_explained_as_one(tmp_path: Path) -> None:
    about = prepared(tmp_path).sources["t"]
    inputs = inputs_of(about.shape, about.encoding)
    assert inputs.names == ("when", "x", "note")
    assert inputs.of_value.tolist() == [0] * 6 + [1] + [2] * 64 + [0]
