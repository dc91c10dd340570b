"""The candidate that is used: the simplest that no costlier one beats by more than the margin, on validation."""

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.statistics.selection import gain_of, kept_values, select

METRICS = {"a": "accuracy", "b": "r2"}


def values(a: float, b: float) -> dict[str, np.ndarray]:
    """Two networks whose mean is given."""
    return {"a": np.array([a - 0.01, a + 0.01]), "b": np.array([b, b])}


def test_the_simplest_is_kept_where_a_costlier_one_gains_less_than_the_margin() -> None:
    found = select(
        {"default": values(0.80, 0.5), "tuned": values(0.807, 0.5), "single": values(0.8, 0.5)}, METRICS, 1.0
    )
    assert found.candidate == "default"
    assert found.why == (
        "default was chosen on validation, where a costlier candidate has to gain more than 1 %: tuned +0.44 % against "
        "default, which is kept; single +0.00 % against default, which is kept"
    )


def test_a_costlier_one_that_gains_more_is_taken_and_the_next_is_held_against_it() -> None:
    given = {"default": values(0.80, 0.5), "tuned": values(0.84, 0.5), "single": values(0.85, 0.5)}
    assert select(given, METRICS, 1.0).candidate == "tuned"
    assert select(given, METRICS, 0.1).candidate == "single"


def test_one_candidate_is_chosen_without_a_word_on_others() -> None:
    assert select({"default": values(0.8, 0.5)}, METRICS, 1.0).why == "default is the only candidate"


def test_a_gain_is_the_mean_relative_change_of_means_and_errors_count_the_other_way() -> None:
    assert gain_of(values(0.88, 0.5), values(0.80, 0.4), METRICS) == pytest.approx((10.0 + 25.0) / 2)
    assert gain_of({"a": np.array([1.0])}, {"a": np.array([2.0])}, {"a": "rmse"}) == pytest.approx(50.0)


def test_a_task_that_validation_cannot_measure_is_left_out() -> None:
    blind = {"a": np.array([0.88]), "b": np.array([np.nan])}
    assert gain_of(blind, values(0.80, 0.4), METRICS) == pytest.approx(10.0)
    nothing = {"a": np.array([np.nan]), "b": np.array([np.nan])}
    assert np.isnan(gain_of(nothing, values(0.8, 0.4), METRICS))
    assert select({"default": values(0.8, 0.4), "tuned": nothing}, METRICS, 1.0).candidate == "default"


def test_values_are_those_of_the_look_that_each_network_keeps() -> None:
    history = pd.DataFrame(
        {
            "slot": ["seed/0", "seed/0", "seed/1", "seed/1"],
            "kept": [False, True, True, False],
            "validation/a/accuracy": [0.1, 0.2, 0.3, 0.4],
        }
    )
    assert kept_values(history, METRICS, ["a"])["a"].tolist() == [0.2, 0.3]
