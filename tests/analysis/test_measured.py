"""Repeats that take turns: what is told of them, and what is not."""

from collections import Counter
from collections.abc import Callable

import pytest

from pipeline.analysis.measured import FEWEST, MOST, Measured, apart, interleaved


def counted(calls: list[str], name: str) -> Callable[[], float]:
    def sample() -> float:
        calls.append(name)
        return float(calls.count(name))

    return sample


def test_the_first_result_does_not_count_and_each_round_has_all() -> None:
    calls = list[str]()
    found = interleaved([counted(calls, name) for name in "abc"], enough_s=0.0)
    assert calls[:3] == ["a", "b", "c"]
    rounds = [calls[at : at + 3] for at in range(3, len(calls), 3)]
    assert len(rounds) == FEWEST
    assert all(sorted(it) == ["a", "b", "c"] for it in rounds)
    assert len({tuple(it) for it in rounds}) > 1  # in one order, what comes every so often would fall on one alone
    assert found == [Measured.of([2.0, 3.0, 4.0, 5.0, 6.0])] * 3


def test_time_that_is_left_is_used_up_to_a_limit() -> None:
    calls = list[str]()
    interleaved([counted(calls, name) for name in "ab"], enough_s=60.0)
    assert Counter(calls) == {"a": 1 + MOST, "b": 1 + MOST}


def test_a_few_disturbed_repeats_change_the_median_little() -> None:
    assert Measured.of([1.0] * 17 + [50.0] * 3).median == 1.0
    spread = Measured.of([float(it) for it in range(101)])
    assert (spread.low, spread.median, spread.high) == pytest.approx((10.0, 50.0, 90.0))


def test_what_overlaps_is_not_told_apart() -> None:
    one = Measured(2.0, 1.0, 3.0)
    assert apart(one, Measured(5.0, 4.0, 6.0))
    assert apart(Measured(5.0, 4.0, 6.0), one)
    assert not apart(one, Measured(3.5, 2.5, 6.0))
    assert not apart(one, Measured(2.0, 0.5, 6.0))
