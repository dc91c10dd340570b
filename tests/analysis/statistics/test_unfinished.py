"""Whether an arm was trained to its end: by its validation loss over the last tenth of its updates."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.statistics.unfinished import LOSS, finished_table, judged
from pipeline.analysis.tables import FINISHED
from tests.analysis.made import experiment, prepared


def history(*slots: tuple[float, float], updates: int = 400) -> pd.DataFrame:
    """Slots that had a loss after nine tenths of their updates, and another at their end."""
    rows = []
    for number, (before, final) in enumerate(slots):
        looks = {updates // 2: 9.0, round(0.9 * updates): before, round(0.95 * updates): 7.0, updates: final}
        rows += [{"slot": f"seed/{number}", "updates": it, LOSS: loss} for it, loss in looks.items()]
    return pd.DataFrame(rows)


def test_the_fall_is_that_from_nine_tenths_to_the_end_on_average() -> None:
    found = judged(history((1.2, 1.0), (1.5, 1.1)))
    assert found is not None
    assert found["fall"] == pytest.approx(0.3)
    assert found["final"] == pytest.approx(1.05)
    assert found["sd"] == pytest.approx(np.std([1.0, 1.1], ddof=1))
    assert found["unfinished"]


@pytest.mark.parametrize(
    ("slots", "unfinished"),
    [
        (((1.05, 1.0), (1.55, 1.5)), False),  # falls by less than replicates differ
        (((1.005, 1.0), (1.006, 1.001)), False),  # falls by less than a percent
        (((1.05, 1.0), (1.06, 1.01)), True),
        (((0.9, 1.0), (0.9, 1.01)), False),  # rises
        (((1.05, 1.0),), True),  # of one replicate the percent decides
        (((1.005, 1.0),), False),
    ],
)
def test_unfinished_is_what_falls_by_more_than_replicates_differ_and_by_more_than_a_percent(
    slots: tuple[tuple[float, float], ...], unfinished: bool
) -> None:
    found = judged(history(*slots))
    assert found is not None
    assert found["unfinished"] is unfinished


@pytest.mark.parametrize("updates", [25, 35, 407])
def test_the_look_at_nine_tenths_counts_however_it_is_rounded(updates: int) -> None:
    found = judged(history((1.2, 1.0), updates=updates))
    assert found is not None
    assert found["fall"] == pytest.approx(0.2)


def test_a_slot_that_diverged_is_left_out_and_without_looks_nothing_is_judged() -> None:
    found = judged(history((1.2, 1.0), (1.2, np.nan)))
    assert found is not None
    assert found["fall"] == pytest.approx(0.2)
    assert judged(history((1.2, np.nan))) is None
    assert judged(history((1.2, 1.0)).tail(1)) is None


@pytest.mark.parametrize("column", ["updates", LOSS])
def test_an_older_history_is_not_judged(column: str) -> None:
    assert judged(history((1.2, 1.0)).drop(columns=column)) is None


def test_every_single_task_network_is_an_arm_of_its_own(tmp_path: Path) -> None:
    data, settings = prepared(tmp_path / "data"), experiment()
    shared = Candidate("tuned", "tuned", settings, data, tmp_path / "none", tmp_path / "shared.parquet")
    history((1.2, 1.0)).to_parquet(shared.history)
    alone = replace(shared, title="single far", role="single", task="far", history=tmp_path / "far.parquet")
    history((1.0, 1.0)).to_parquet(alone.history)
    old = replace(shared, title="default", role="default", history=tmp_path / "old.parquet")
    history((1.0, 1.0)).drop(columns=LOSS).to_parquet(old.history)
    table = finished_table([old, shared, alone])
    assert list(table) == FINISHED
    assert table[["candidate", "task", "unfinished"]].to_numpy().tolist() == [
        ["tuned", "all", True],
        ["single-task", "far", False],
    ]
