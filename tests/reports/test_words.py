"""What is not known is said in a word, and never shown as a number."""

import math

import pytest

from pipeline.reports import cells
from pipeline.reports.parts import Cell
from pipeline.reports.words import bounds, interval, level, number, points, shown_test

UNKNOWN = {"mean": math.nan, "low": math.nan, "high": math.nan, "p_holm": math.nan, "verdict": "unclear"}
KNOWN = {"mean": 0.1, "low": -0.2, "high": 0.3, "p_holm": 0.5, "verdict": "unclear"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_is_a_word(value: float) -> None:
    assert number(value, "+.2f", " %") == "unknown"
    assert level(value, "r2") == "unknown R2"
    assert level(value, "rmse") == "unknown rmse"


def test_a_row_of_which_nothing_is_known_has_no_numbers() -> None:
    for said in (
        points(UNKNOWN),
        shown_test(UNKNOWN),
        cells.percent(UNKNOWN),
        cells.changed(UNKNOWN),
        cells.tested(UNKNOWN),
    ):
        assert "unknown" in str(said)
        assert "nan" not in str(said)
    assert bounds(UNKNOWN) == interval(math.nan, 1.0, ".2f") == ""


def test_a_row_that_is_known_is_as_before() -> None:
    assert points(KNOWN) == "+10.00 points [-20.00, +30.00]"
    assert shown_test(KNOWN) == "+0.10 % [-0.20, +0.30], p = 0.500"
    assert cells.percent(KNOWN) == Cell("10.00 %", ("[-20.00, 30.00]",))
    assert level(0.972, "accuracy") == "97.20 % accuracy"
