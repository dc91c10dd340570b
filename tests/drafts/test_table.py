"""Drafts for tables: what a look at the columns finds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.config import load
from pipeline.drafts.table import draft_table
from pipeline.drafts.targets import parse
from pipeline.errors import UserError

ROWS = 200
DRAWS = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "key": [f"k{row}" for row in range(ROWS)],
        "day": pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d"),
        "user_id": DRAWS.integers(0, 20, ROWS),
        "same": 1,
        "empty": None,
        "town": DRAWS.choice(["Bern", "Oslo", "?"], ROWS),
        "odd: name": DRAWS.normal(size=ROWS),
        "flag": DRAWS.choice([True, False], ROWS),
        "level": DRAWS.integers(0, 4, ROWS),
        "price (CHF)": DRAWS.normal(100, 10, ROWS).round(2),
    }
).assign(word=lambda it: it["level"].map({0: "none", 1: "low", 2: "high", 3: "most"}))


def drafted(folder: Path, targets: str, frame: pd.DataFrame = FRAME) -> tuple[str, dict]:
    frame.to_csv(folder / "it.csv", index=False)
    text = draft_table(folder / "it.csv", parse(targets), "it", folder)
    return text, yaml.safe_load(text)


def test_a_draft_is_an_experiment_whose_trials_are_planned(tmp_path: Path) -> None:
    text, _ = drafted(tmp_path, "level,price (CHF)")
    (tmp_path / "it.yaml").write_text(text)
    experiment = load(str(tmp_path / "it.yaml"), {}, tmp_path)
    assert experiment.tuning is not None
    assert (experiment.tuning.trials, experiment.tuning.timeout) == ("auto", None)


def test_columns_are_guessed_by_what_is_in_them(tmp_path: Path) -> None:
    text, said = drafted(tmp_path, "level,price (CHF)")
    assert said["sources"]["it"]["inputs"] == {
        "day": "date", "user_id": "numeric", "town": "categorical", "odd: name": "numeric", "flag": "categorical",
        "word": "categorical",
    }  # fmt: skip
    assert said["tasks"] == {
        "level": {"kind": "multiclass", "source": "it"},
        "price__CHF_": {"kind": "regression", "source": "it", "label": "price (CHF)"},
    }
    assert said["sources"]["it"]["missing"] == ["?"]
    for line in (
        "# Left out: key, of which every row has its own: an identifier",
        "    time: day                               # the rows are in its order: the last are test",
        "# Left out: same, the same in every row",
        "# Left out: empty, empty",
        "# group: user_id",
    ):
        assert line in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_of_a_wide_table_the_columns_are_not_listed(tmp_path: Path) -> None:
    wide = pd.DataFrame(DRAWS.normal(size=(ROWS, 300)), columns=[f"x{place}" for place in range(300)])
    text, said = drafted(tmp_path, "level", pd.concat([wide, FRAME], axis=1))
    assert said["sources"]["it"]["inputs"] == {"day": "date", "*": "auto"}  # which splits the rows, and is no pattern's
    assert "# 303 numeric, 1 date, 3 categorical; " in text
    assert "# Each value of word goes with a single level: does it give the answer away?" in text
    assert len(text.splitlines()) < 40


@pytest.mark.parametrize("name", ["NO", "on", "2024", "y", "1e3", "null"])
def test_names_that_yaml_reads_otherwise_are_names(name: str, tmp_path: Path) -> None:
    FRAME.rename(columns={"level": name, "town": "yes"}).to_csv(tmp_path / "it.csv", index=False)
    text = draft_table(tmp_path / "it.csv", parse(f"{name}:multiclass"), name, tmp_path)
    (tmp_path / "it.yaml").write_text(text)
    found = load(str(tmp_path / "it.yaml"), {}, tmp_path)
    assert (found.name, list(found.tasks), list(found.sources)) == (name, [name], [name])
    assert "yes" in found.sources[name].inputs


def test_an_input_that_gives_an_answer_away_is_told(tmp_path: Path) -> None:
    text, _ = drafted(tmp_path, "level")
    lines = text.splitlines()
    place = next(place for place, line in enumerate(lines) if line.strip().startswith("word:"))
    assert "Each value of the next goes with a single level: does it give the answer away?" in lines[place - 1]
    assert text.count("give the answer away") == 1


def test_nothing_to_predict_from_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column is left to predict from"):
        drafted(tmp_path, "level", FRAME[["key", "level"]])


def test_kinds_that_were_asked_for_are_kept(tmp_path: Path) -> None:
    _, said = drafted(tmp_path, "level:regression,flag:multiclass")
    assert {name: it["kind"] for name, it in said["tasks"].items()} == {"level": "regression", "flag": "multiclass"}


def test_numbers_that_become_fractions_after_the_first_rows_are_read(tmp_path: Path) -> None:
    rows = 120_000  # more than one block of text
    frame = pd.DataFrame({"size": np.r_[np.arange(rows - 1), 0.5], "kind": DRAWS.choice(["a", "b"], rows)})
    _, said = drafted(tmp_path, "kind", frame.astype({"size": object}))
    assert said["sources"]["it"]["inputs"] == {"size": "numeric"}
