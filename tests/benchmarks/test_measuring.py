from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

from benchmarks.common import results
from benchmarks.common.measuring import Clock, Contender, Spent, ratio, summary, take_turns


def test_contenders_take_turns_and_costs_are_divided() -> None:
    order: list[str] = []

    def turn(name: str, seconds: float) -> Contender:
        return Contender(name, lambda: (order.append(name), Spent(seconds, 2 * seconds, {"extra": name}))[1], per=4.0)

    table = take_turns([turn("a", 8.0), turn("b", 4.0)], repeats=2, warm_ups=1)
    assert order == ["a", "b"] * 3
    assert table["name"].tolist() == ["a", "b"] * 2
    assert table["seconds"].tolist() == [2.0, 1.0] * 2
    assert table["cpu_seconds"].tolist() == [4.0, 2.0] * 2
    assert table["extra"].tolist() == ["a", "b"] * 2


def test_a_ratio_is_the_median_of_ratios_within_a_repeat() -> None:
    table = pd.DataFrame(
        {"name": ["a", "b"] * 3, "repeat": [0, 0, 1, 1, 2, 2], "seconds": [1.0, 1.0, 20.0, 2.0, 30.0, 10.0]}
    )
    assert ratio(table, "a", "b") == pytest.approx(3.0)
    assert ratio(table, "a", "c") != ratio(table, "a", "c")
    assert summary(table).loc["a"].tolist() == [1.0, 20.0]


def test_a_clock_counts_wall_and_processor_time() -> None:
    with Clock() as clock:
        sum(range(10_000))
    assert clock.spent.seconds > 0.0
    assert clock.spent.cpu_seconds >= 0.0


def test_results_are_read_as_they_were_saved(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a"], "seconds": [1.0]})
    results.save("it", table, {"machine": {"cores": 2}}, go.Figure(), tmp_path)
    found = results.read("it", tmp_path)
    assert found is not None
    pd.testing.assert_frame_equal(found, table)
    assert found.attrs == {"machine": {"cores": 2}}
    assert (tmp_path / "it.html").is_file()
    assert results.read("other", tmp_path) is None
