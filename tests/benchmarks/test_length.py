"""How a score depends on the length: each job is a row, and none is done twice."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks import length
from benchmarks.common.tables import made, tables


def test_jobs_go_to_the_record_which_a_later_run_goes_on_with(tmp_path: Path) -> None:
    record = tmp_path / "records" / "length.csv"
    words = ["--table", "iris", "--seeds", "2", "--record", str(record), "--times", "0.05"]
    for more in ([], ["--times", "0.1"], ["--times", "0.1"]):
        CliRunner().invoke(length.main, [*words, *more], catch_exceptions=False)
    found = pd.read_csv(record)
    assert found[["table", "times", "rows", "updates", "seeds"]].values.tolist() == [
        ["iris", 0.05, 108, 10, 2],
        ["iris", 0.1, 108, 20, 2],
    ]
    assert (found["score"] <= 1.0).all()


def test_other_lengths_are_shown_against_the_rules(tmp_path: Path) -> None:
    rows = [("a", 0.5, 100, 0.7), ("a", 1.0, 100, 0.75), ("b", 1.0, 200, 0.9)]
    told = length.shown(pd.DataFrame(rows, columns=["table", "times", "rows", "score"]))
    assert told.loc["a"].tolist() == [100, 75.0, -5.0]
    assert told.loc["b"].tolist()[:2] == [200, 90.0]


@pytest.mark.parametrize("name", ["made_150", "wine", "breast_cancer", "diabetes"])
def test_every_table_has_its_targets(name: str) -> None:
    table = tables()[name]
    assert set(table.targets) < set(table.frame().columns)


def test_made_tables_are_the_same_each_time_and_have_one_teacher() -> None:
    assert made(50).equals(made(50))
    assert not made(50)["x0"].equals(made(50, seed=1)["x0"])
