"""How much a draft tunes: as much as tables of so many rows gain from, and only where every row tests."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config import load
from pipeline.drafts import tuned
from pipeline.drafts.table import draft_table
from pipeline.drafts.targets import parse
from pipeline.steps.settling import settled


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "ENOUGH", {100: 0, 400: 3, 1_600: 6})


@pytest.mark.parametrize(
    ("rows", "trials"), [(1, 0), (199, 0), (201, 3), (799, 3), (801, 6), (4_999, 6), (5_000, 6), (10**6, 6)]
)
def test_a_table_is_worth_as_many_trials_as_one_of_the_nearest_size(rows: int, trials: int) -> None:
    assert tuned.enough(rows) == trials


def drafted(folder: Path, rows: int, **more: Any) -> tuple[str, Any]:
    """The draft of a table, and what it tunes once it is known how many replicates there are."""
    draws = np.random.default_rng(0)
    frame = pd.DataFrame({"x": draws.normal(size=rows), "a": draws.normal(size=rows)}).assign(**more)
    frame.to_csv(folder / "it.csv", index=False)
    text = draft_table(folder / "it.csv", parse("a:regression"), "it", folder)
    (folder / "it.yaml").write_text(text)
    experiment = load(str(folder / "it.yaml"), {}, folder)
    return text, settled(experiment, 10, "so many").tuning if draft_tests_every_row(text) else experiment.tuning


def draft_tests_every_row(text: str) -> bool:
    return "test: {folds: 5, repeats: 2}" in text


def test_few_rows_are_not_tuned(tmp_path: Path) -> None:
    text, tuning = drafted(tmp_path, 100)
    assert tuning is None
    assert "tuning: null                                # of 100 rows it was found to gain nothing; --trials" in text
    assert load(str(tmp_path / "it.yaml"), {"tuning.trials": 60}, tmp_path).tuning is not None


def test_more_are_tuned_in_fewer_trials(tmp_path: Path) -> None:
    text, tuning = drafted(tmp_path, 400)
    assert tuning.trials == 30
    assert "tuning: {trials: 30}                        # 3 a replicate: of 400 rows more add less" in text


def test_where_tuning_gains_it_is_left_to_the_default(tmp_path: Path) -> None:
    text, tuning = drafted(tmp_path, 1_600)
    assert tuning.trials == "auto"
    assert "tuning" not in text


def test_one_split_is_tuned_as_ever(tmp_path: Path) -> None:
    text, tuning = drafted(tmp_path, 100, split=["train"] * 60 + ["validation"] * 20 + ["test"] * 20)
    assert not draft_tests_every_row(text)
    assert tuning.trials == "auto"
