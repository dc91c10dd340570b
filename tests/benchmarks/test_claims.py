"""Counting claims: rates of made-up differences that are known, and thresholds that can be missed."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import binom, nct, t

from benchmarks import claims
from benchmarks.claims import BETTER_MORE, MANY, MANY_EACH, SAME, SAME_MORE, Threshold, asked, deviation, rates
from benchmarks.common import machine
from benchmarks.same_arms import ARMS, SEEDS, Arms
from pipeline.analysis.metrics import Scores
from pipeline.analysis.statistics.intervals import Estimate
from tests.analysis.made import drawn

REPEATS = 4000


@pytest.fixture(autouse=True)
def small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's peak is none of these tests' business."""
    monkeypatch.setattr(machine, "_SIDES", (32,))


def simulated(question: str, seeds: int, true: float) -> pd.DataFrame:
    """Normal differences with a standard deviation of 1, judged by Student's t."""
    draws = np.random.default_rng(seeds)
    rows = []
    for repeat in range(REPEATS):
        found = Estimate.over_seeds(draws.normal(true, 1.0, seeds))
        interval = found.interval()
        rows.append((question, repeat, true, interval.low, interval.high, found.verdict()))
    columns = ["question", "repeat", "true", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    return rates(pd.concat([simulated(SAME, SEEDS, 0.0), simulated(BETTER_MORE, 2 * SEEDS, 1.5)]))


def scores(accuracy: float, seed: int, seeds: int = SEEDS) -> Scores:
    return {task: drawn(accuracy, seeds, 60, seed + place) for place, task in enumerate("ab")}


def arms(first: float, others: float) -> Arms:
    few = [scores(others if number else first, 10 * number) for number in range(ARMS)]
    return {SEEDS: few, 2 * SEEDS: [scores(first, 0, 2 * SEEDS), scores(others, 10, 2 * SEEDS)]}


def test_of_equal_arms_one_in_twenty_is_claimed_and_the_others_intervals_hold_zero(found: pd.DataFrame) -> None:
    low, high = binom.ppf([0.001, 0.999], REPEATS, 0.05) / REPEATS
    assert low <= found.loc[SAME, "claimed"] <= high
    assert found.loc[SAME, "covered"] == pytest.approx(1.0 - found.loc[SAME, "claimed"])


def test_a_planted_difference_is_found_as_often_as_the_power_of_t_says(found: pd.DataFrame) -> None:
    count = 2 * SEEDS
    power = nct.sf(t.ppf(0.975, count - 1), count - 1, 1.5 * count**0.5)
    low, high = binom.ppf([0.001, 0.999], REPEATS, power) / REPEATS
    assert low <= found.loc[BETTER_MORE, "claimed"] <= high
    low, high = binom.ppf([0.001, 0.999], REPEATS, 0.95) / REPEATS
    assert low <= found.loc[BETTER_MORE, "covered"] <= high


def test_a_planted_difference_that_is_called_worse_is_not_found() -> None:
    table = simulated(BETTER_MORE, 2 * SEEDS, 1.5).assign(verdict="worse")
    assert rates(table).loc[BETTER_MORE, "claimed"] == 0.0


def test_a_repeat_with_several_claims_counts_once() -> None:
    table = pd.concat([simulated(MANY, SEEDS, 0.0).head(4)] * 2).assign(
        verdict=["better", "unclear", "unclear", "unclear", "worse", "unclear", "unclear", "better"]
    )
    assert rates(table).loc[MANY, "claimed"] == 0.5


def test_every_question_is_asked_of_a_repeat() -> None:
    table = asked(arms(0.9, 0.9), percent=30.0)
    counts = table["question"].value_counts()
    assert (counts[SAME], counts[SAME_MORE], counts[MANY], counts[MANY_EACH]) == (1, 1, ARMS - 1, 2 * (ARMS - 1))
    assert table[table["true"] > 0.0]["mean"].min() > 20.0
    assert table.set_index("question").loc[BETTER_MORE, "verdict"] == "better"


def test_deviations_are_pooled_by_their_variance() -> None:
    alike, apart = arms(0.9, 0.9), arms(0.9, 0.9)
    apart[2 * SEEDS][1] = scores(0.5, 7, 2 * SEEDS)
    each = [deviation([it]) for it in (alike, apart)]
    assert each[0] != each[1]
    assert deviation([alike, apart]) == pytest.approx(np.sqrt(np.mean(np.square(each))))


@pytest.mark.parametrize(("share", "holds"), [(0.0, True), (0.085, True), (0.09, False)])
def test_a_threshold_is_held_by_the_share_whatever_the_number_of_repeats(share: float, holds: bool) -> None:
    table = pd.DataFrame({"claimed": {SAME: share}})
    assert Threshold(SAME, "claimed", most=17).holds(table) == holds
    assert ("MISSED" in Threshold(SAME, "claimed", most=17).in_words(table)) != holds


@pytest.mark.parametrize(("others", "code"), [(0.9, 0), (0.4, 1)])
def test_the_command_fails_where_arms_that_should_be_the_same_are_called_different(
    others: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "REPEATS", 2)
    monkeypatch.setattr(claims, "THRESHOLDS", (Threshold(SAME, "claimed", most=0),))
    monkeypatch.setattr(claims, "trained", lambda repeat, values: arms(0.9, others))
    told = run(tmp_path, "--repeats", "2")
    assert told.exit_code == code
    assert ("MISSED" in told.output) == bool(code)


def test_a_trial_of_few_repeats_is_trained_counted_and_not_judged(tmp_path: Path) -> None:
    told = run(tmp_path, "--repeats", "1", "--quick")
    assert told.exit_code == 0
    assert "too few to judge by" in told.output
    table = pd.read_parquet(tmp_path / "claims.parquet")
    assert table["question"].nunique() == 6
    assert table.attrs["rates"].keys() == set(table["question"])
    assert table[table["question"] == SAME]["p"].notna().all()


def run(folder: Path, *words: str) -> Any:
    return CliRunner().invoke(claims.main, [*words, "--processes", "1", "--results", str(folder)])
