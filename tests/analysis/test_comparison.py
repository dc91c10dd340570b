"""Differences between arms: the same p-values as scipy's, corrected after Holm, and a verdict that needs both."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.comparison import ALL, contrasts, holm
from pipeline.analysis.metrics import Scores
from pipeline.config.comparing import EQUAL, TUNED
from tests.analysis.made import drawn, evaluation


def scores(*accuracies: float, seed: int) -> Scores:
    """Of two tasks; each arm draws its own chance."""
    return {
        task: drawn(it, seed=seed + i, source=task) for i, (task, it) in enumerate(zip("ab", accuracies, strict=True))
    }


@pytest.fixture(scope="module")
def groups() -> dict[str, Scores]:
    return {
        EQUAL: scores(0.7, 0.7, seed=0),
        TUNED: scores(0.7, 0.7, seed=10),
        "good": scores(0.95, 0.95, seed=0),
        SINGLE: scores(0.7, 0.7, seed=20),
    }


@pytest.fixture(scope="module")
def found(groups: dict[str, Scores]) -> pd.DataFrame:
    roles = {name: ("single" if name == SINGLE else "arm", it) for name, it in groups.items()}
    return contrasts(evaluation(roles))  # type: ignore[arg-type]


def test_holm_corrects_as_in_a_worked_example() -> None:
    # 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which may not be below the one before it
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one_and_leaves_out_what_was_not_tested() -> None:
    np.testing.assert_allclose(holm(np.array([0.6, np.nan, 0.7])), [1.0, np.nan, 1.0])
    assert holm(np.array([])).shape == (0,)


def test_every_arm_is_held_against_single_equal_and_tuned_for_all_tasks_and_each(found: pd.DataFrame) -> None:
    pairs = set(zip(found["candidate"], found["against"], strict=True))
    assert pairs == {
        (EQUAL, SINGLE), (TUNED, SINGLE), ("good", SINGLE), (TUNED, EQUAL), ("good", EQUAL), (EQUAL, TUNED),
        ("good", TUNED),
    }  # fmt: skip
    assert len(found) == 3 * len(pairs)
    assert set(found["task"]) == {ALL, "a", "b"}


def test_p_values_are_those_of_a_paired_t_test_over_seeds(found: pd.DataFrame, groups: dict[str, Scores]) -> None:
    rows = found.set_index(["candidate", "against", "task"])
    for task in "ab":
        one, other = (groups[name][task].metrics["accuracy"] for name in ("good", EQUAL))
        row = rows.loc["good", EQUAL, task]
        assert row["p"] == pytest.approx(ttest_rel(one, other).pvalue)
        assert row["mean"] == pytest.approx(100 * (one - other).mean())
    changes = [
        100 * (groups["good"][it].metrics["accuracy"] / groups[EQUAL][it].metrics["accuracy"] - 1) for it in "ab"
    ]
    mean = np.mean(changes, axis=0)
    assert rows.loc["good", EQUAL, ALL]["p"] == pytest.approx(ttest_rel(mean, np.zeros(5)).pvalue)


def test_a_question_is_one_reference_for_all_tasks_or_task_by_task(found: pd.DataFrame) -> None:
    for (_, together), rows in found.groupby(["against", found["task"] == ALL]):
        assert len(rows) == (len(rows["candidate"].unique()) if together else 2 * len(rows["candidate"].unique()))
        np.testing.assert_allclose(rows["p_holm"], holm(rows["p"].to_numpy()))


def test_a_large_difference_is_more_than_noise_and_a_small_one_is_not(found: pd.DataFrame) -> None:
    together = found[found["task"] == ALL].set_index(["candidate", "against"])["verdict"]
    assert together["good", EQUAL] == together["good", TUNED] == together["good", SINGLE] == "better"
    assert together[TUNED, EQUAL] == together[EQUAL, TUNED] == together[EQUAL, SINGLE] == "unclear"


def test_an_interval_that_leaves_out_zero_does_not_do_where_many_are_tested() -> None:
    """Of twenty arms some differ by chance: uncorrected they would be called better or worse."""
    arms = {f"arm{n}": {"a": drawn(0.7, seed=n, rows=100)} for n in range(20)}
    made = evaluation(
        {EQUAL: ("arm", {"a": drawn(0.7, seed=99, rows=100)}), **{it: ("arm", one) for it, one in arms.items()}}
    )
    rows = contrasts(made)
    together = rows[rows["task"] == ALL]
    assert (together["p"] < 0.05).any()
    assert (together["verdict"] == "unclear").all()
