"""Arms that differ by chance alone: where they come from, and that they are judged as `headway compare` judges."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import same_arms
from benchmarks.same_arms import ARMS, SEEDS, Arms, judged, paired, planted, trained
from pipeline.analysis.evaluation import evaluate
from pipeline.analysis.metrics import Scores
from pipeline.analysis.scores import score
from pipeline.analysis.statistics.contrasts import contrasts
from pipeline.analysis.statistics.differences import delta_m
from pipeline.config.compare import DEFAULT, EQUAL
from pipeline.data.prepared import open_split
from pipeline.data.test_split import TestSplit
from pipeline.studies.compare.comparison import REFERENCES
from tests.analysis.made import candidate, drawn, experiment, prepared


@pytest.fixture(scope="module")
def arms() -> Arms:
    return trained(0, {"training.epochs": 1})


def made(seed: int) -> Scores:
    return {task: drawn(0.9, seed=seed + place, rows=200, source="rows") for place, task in enumerate("ab")}


def test_there_are_as_many_arms_as_a_comparison_holds_against_equal_weights() -> None:
    assert len({*DEFAULT, "tuned"}) == ARMS  # `fixed` is the equal weights


def test_no_two_arms_of_any_repeats_share_a_seed() -> None:
    seeds = [same_arms._experiment(repeat, arm, {}).seed for repeat in range(3) for arm in range(ARMS)]
    assert len(set(seeds)) == 3 * ARMS


def test_every_arm_differs_and_two_of_them_make_one_of_twice_as_many_seeds(arms: Arms) -> None:
    digit = [arm["digit"].metrics["nll"] for arm in arms[SEEDS]]
    assert np.unique(digit).size == ARMS * SEEDS
    assert len(arms[2 * SEEDS]) == 2
    for joined, first in zip(arms[2 * SEEDS], (0, 2), strict=True):
        np.testing.assert_allclose(joined["digit"].metrics["nll"], np.concatenate(digit[first : first + 2]), rtol=1e-5)


def test_arms_are_judged_as_the_comparison_judges_what_evaluate_found(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data")
    one, other = (
        replace(candidate(tmp_path / title, data, experiment(seed=seed), "arm"), title=title)
        for seed, title in enumerate((EQUAL, "arm 1"))
    )
    test = open_split(data, "test")
    ours = judged([score(it, TestSplit(test)) for it in (one, other)])
    theirs = contrasts(evaluate([one, other], TestSplit(test), against=[EQUAL]), REFERENCES)
    mine = theirs[theirs["against"] == EQUAL]
    assert ours["p"].notna().any()
    pd.testing.assert_frame_equal(ours, mine.reset_index(drop=True))


def test_a_planted_difference_moves_delta_m_by_just_that_for_every_seed_and_over_rows() -> None:
    first, one = made(0), made(10)
    better = planted(one, first, percent=2.5)
    np.testing.assert_allclose(paired(better, first), paired(one, first) + 2.5)
    before, after = delta_m(one, first), delta_m(better, first)
    assert after.mean == pytest.approx(before.mean + 2.5)
    assert after.between_var == pytest.approx(before.between_var)
    assert after.rows_var == pytest.approx(before.rows_var, rel=0.25)  # of other resamples
    np.testing.assert_array_equal(one["a"].columns, made(10)["a"].columns)


def test_differences_paired_by_seed_are_those_of_delta_m() -> None:
    first, one = made(0), made(10)
    assert paired(one, first).mean() == pytest.approx(delta_m(one, first).mean)
