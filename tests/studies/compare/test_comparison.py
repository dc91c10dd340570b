"""Differences between arms: the same p-values as scipy's, corrected after Holm, and the verdict that follows."""

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.metrics import Scores, draw_together
from pipeline.analysis.statistics.contrasts import contrasts
from pipeline.analysis.statistics.differences import delta_m, difference
from pipeline.analysis.statistics.intervals import holm
from pipeline.config.compare import EQUAL, TUNED
from pipeline.config.tasks import ALL
from pipeline.studies.compare.comparison import REFERENCES
from tests.analysis.made import drawn, evaluation


def scores(*accuracies: float, seed: int) -> Scores:
    """Of two tasks; each arm draws its own chance."""
    return {
        task: drawn(it, seed=seed + i, source=task) for i, (task, it) in enumerate(zip("ab", accuracies, strict=True))
    }


@pytest.fixture(scope="module")
def groups() -> dict[str, Scores]:
    found = {
        EQUAL: scores(0.7, 0.7, seed=0),
        TUNED: scores(0.7, 0.7, seed=10),
        "good": scores(0.95, 0.95, seed=0),
        SINGLE: scores(0.7, 0.7, seed=20),
    }
    draw_together(it for own in found.values() for it in own.values())
    return found


@pytest.fixture(scope="module")
def found(groups: dict[str, Scores]) -> pd.DataFrame:
    roles = {name: ("single" if name == SINGLE else "arm", it) for name, it in groups.items()}
    return contrasts(evaluation(roles), REFERENCES)  # type: ignore[arg-type]


def test_every_arm_is_held_against_single_equal_and_tuned_for_all_tasks_and_each(found: pd.DataFrame) -> None:
    pairs = set(zip(found["candidate"], found["against"], strict=True))
    assert pairs == {
        (EQUAL, SINGLE), (TUNED, SINGLE), ("good", SINGLE), (TUNED, EQUAL), ("good", EQUAL), (EQUAL, TUNED),
        ("good", TUNED),
    }  # fmt: skip
    assert len(found) == 3 * len(pairs)
    assert set(found["task"]) == {ALL, "a", "b"}


def test_p_and_the_variances_are_those_of_the_difference_in_points(
    found: pd.DataFrame, groups: dict[str, Scores]
) -> None:
    rows = found.set_index(["candidate", "against", "task"])
    whole = {ALL: (delta_m(groups[TUNED], groups[EQUAL]), 1.0)}
    each = {it: (difference(groups[TUNED][it], groups[EQUAL][it], "accuracy"), 100.0) for it in "ab"}
    for task, (estimate, scale) in (whole | each).items():
        row = rows.loc[TUNED, EQUAL, task]
        assert row["p"] == pytest.approx(estimate.p)
        assert row["mean"] == pytest.approx(scale * estimate.mean)
        assert row["high"] == pytest.approx(scale * estimate.interval().high)
        assert row["rows_var"] + row["between_var"] == pytest.approx(row["se"] ** 2)


def test_a_question_is_one_reference_for_all_tasks_or_task_by_task(found: pd.DataFrame) -> None:
    for (_, together), rows in found.groupby(["against", found["task"] == ALL]):
        assert len(rows) == (len(rows["candidate"].unique()) if together else 2 * len(rows["candidate"].unique()))
        np.testing.assert_allclose(rows["p_holm"], holm(rows["p"].to_numpy()))


def test_a_large_difference_is_more_than_noise_and_a_small_one_is_not(found: pd.DataFrame) -> None:
    together = found[found["task"] == ALL].set_index(["candidate", "against"])["verdict"]
    assert together["good", EQUAL] == together["good", TUNED] == together["good", SINGLE] == "better"
    assert together[TUNED, EQUAL] == together[EQUAL, TUNED] == together[EQUAL, SINGLE] == "unclear"


def test_an_interval_that_leaves_out_zero_does_not_do_where_many_are_tested() -> None:
    """Of forty arms that are slightly better some would, uncorrected, be called so."""
    arms = {f"arm{n}": {"a": drawn(0.74, seed=n, rows=100)} for n in range(40)}
    made = evaluation(
        {EQUAL: ("arm", {"a": drawn(0.7, seed=99, rows=100)}), **{it: ("arm", one) for it, one in arms.items()}}
    )
    rows = contrasts(made, REFERENCES)
    together = rows[rows["task"] == ALL]
    assert (together["p"] < 0.05).any()
    assert (together["verdict"] == "unclear").all()
