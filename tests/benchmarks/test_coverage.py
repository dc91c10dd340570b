"""The simulation of what intervals cover: its parts, and that what is built holds on draws that are fixed."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.coverage import NOISES, checks, designs, scored, table, tried
from pipeline.analysis.statistics.differences import level


def test_every_row_is_tested_twice_and_learnt_from_where_it_is_not() -> None:
    once, twice = designs(150, np.random.default_rng(0))
    assert (np.bincount(np.concatenate(twice.tests)) == 2).all()
    for design in (once, twice):
        for test, learns in zip(design.tests, design.learns, strict=True):
            assert not learns[test].any()
            assert learns.sum() == 120


def test_answers_are_scored_as_the_product_scores_them() -> None:
    draws = np.random.default_rng(1)
    for design in designs(60, draws):
        answers = draws.random((len(design.tests), 60)) < 0.8
        found = scored(design, answers)
        wanted = [it[test].mean() for it, test in zip(answers, design.tests, strict=True)]
        assert level(found, "accuracy").mean == pytest.approx(np.mean(wanted))
        assert np.mean(found.resampled) == pytest.approx(np.mean(wanted), abs=0.02)
        assert found.units == (60 if design.name == "folds" else 12)


def test_intervals_where_every_row_tests_are_narrower_and_hold_the_truth() -> None:
    rows = [row for effect in (0.0, 3.0) for number in range(30) for row in tried(NOISES[0], 150, effect, number)]
    found = table(pd.DataFrame(rows)).set_index("design")
    assert found.loc["folds", "half"] < 0.8 * found.loc["one split", "half"]
    assert found.loc["folds", "covered"] >= 90
    assert found.loc["folds", "power 3"] > found.loc["one split", "power 3"]


def test_too_narrow_or_too_wide_does_not_hold() -> None:
    good = {"noise": "digits", "rows": 150, "covered": 96.0, "false": 2.0, "wrong": 0.0}
    split = good | {"design": "one split", "half": 5.0}

    def hold(**own: float) -> list[bool]:
        return [it for _, it in checks(pd.DataFrame([split, good | {"design": "folds", "half": 3.5} | own]))]

    assert hold() == [True] * 4
    assert hold(covered=90.0) == [False, True, True, True]
    assert hold(false=7.0) == [True, False, True, True]
    assert hold(wrong=1.0) == [True, True, False, True]
    assert hold(half=4.5) == [True, True, True, False]
