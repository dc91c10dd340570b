"""Differences and delta-m: values worked out by hand, and what must hold of any."""

import numpy as np
import pytest

from pipeline.analysis.metrics import summed
from pipeline.analysis.statistics.differences import apart_at_most, changes, delta_m, difference, level, relative
from tests.analysis.made import drawn, task_scores


def test_a_difference_is_paired_by_seed() -> None:
    # Accuracies 3/4, 2/4 and 2/4, 1/4: every seed differs by a quarter, so seeds leave no doubt, and rows do.
    one = task_scores([[1, 1, 1, 0], [1, 1, 0, 0]])
    other = task_scores([[1, 1, 0, 0], [1, 0, 0, 0]])
    found = difference(one, other, "accuracy")
    assert found.mean == pytest.approx(0.25)
    assert found.between_var == pytest.approx(0.0)
    assert found.rows_var > 0.0
    assert found.df == pytest.approx(3.0)


def test_of_another_number_of_seeds_the_variances_of_both_sides_are_added() -> None:
    one = task_scores([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]])
    other = task_scores([[1, 1, 0, 0], [1, 0, 0, 0]])
    found = difference(one, other, "accuracy")
    # Accuracies 3/4, 2/4, 1/4 and 2/4, 1/4: variances 1/16 and 1/32.
    assert found.mean == pytest.approx(0.5 - 0.375)
    assert found.between_var == pytest.approx(1 / 48 + 1 / 64)
    assert found.num_seeds == 2


def test_identical_candidates_differ_by_nothing() -> None:
    scores = drawn(0.8)
    for found in (difference(scores, scores, "accuracy"), delta_m({"a": scores}, {"a": scores})):
        interval = found.interval()
        assert (found.mean, interval.low, interval.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
        assert found.verdict() == "unclear"


def test_a_difference_turned_round_changes_its_sign() -> None:
    one, other = drawn(0.9, seed=1), drawn(0.6, seed=2)
    found, turned = difference(one, other, "accuracy"), difference(other, one, "accuracy")
    assert found.mean == -turned.mean
    assert found.interval().low == pytest.approx(-turned.interval().high)
    assert (found.verdict(), turned.verdict()) == ("better", "worse")


def test_the_standard_error_of_rows_shrinks_with_the_root_of_their_number() -> None:
    few, many = (level(drawn(0.8, rows=rows), "accuracy").rows_var for rows in (400, 6400))
    assert (few / many) ** 0.5 == pytest.approx(4.0, rel=0.2)


def test_one_seed_leaves_only_what_rows_tell() -> None:
    one, other = drawn(0.9, seeds=1, seed=1), drawn(0.6, seeds=1, seed=2)
    found = difference(one, other, "accuracy")
    assert np.isnan(found.between_var)
    assert (found.knows, found.num_seeds) == ("rows", 1)
    assert found.se == pytest.approx(found.rows_var**0.5)


def test_metrics_other_than_accuracy_have_an_interval_over_seeds_only() -> None:
    scores = task_scores([[1, 0], [1, 1]], nll=[0.5, 0.7])
    assert level(scores, "nll").knows == "trainings"
    assert level(scores, "nll").mean == pytest.approx(0.6)


def test_an_accuracys_interval_stays_between_0_and_1_and_an_error_stays_above_0() -> None:
    scores = task_scores([[1] * 9 + [0], [1] * 10], nll=[0.01, 0.3])
    assert level(scores, "accuracy").interval().high == 1.0
    assert level(scores, "nll").interval().low == 0.0


def test_rows_without_a_label_count_nowhere() -> None:
    labelled = [True, True, True, False]
    one = task_scores([[1, 1, 1, 0]], labelled)
    other = task_scores([[1, 1, 1, 0]], labelled)
    assert level(one, "accuracy").mean == 1.0
    assert difference(one, other, "accuracy").mean == 0.0
    assert one.units == 3
    assert level(one, "accuracy").rows_var == 0.0


def test_a_pair_of_other_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="paired by row"):
        difference(task_scores([[1, 0]], [True, False]), task_scores([[1, 0]]), "accuracy")


def test_rows_of_a_group_are_drawn_together() -> None:
    # Ten copies of each of sixty rows: by rows there are six hundred, by groups sixty, as in truth.
    once = drawn(0.7, rows=60)
    right = np.repeat(once.columns[:, 1] > 0.5, 10)[None]
    single = level(task_scores((once.columns[:, 1] > 0.5)[None]), "accuracy").rows_var
    copied, grouped = (
        level(task_scores(right, groups=groups), "accuracy") for groups in (None, np.repeat(np.arange(60), 10))
    )
    assert grouped.rows_var == pytest.approx(single)
    assert grouped.df == pytest.approx(59)
    assert copied.rows_var == pytest.approx(single / 10, rel=0.15)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("seeds", [1, 12])  # few distinct rows, of which counts are drawn; and many
def test_a_resample_draws_the_same_rows_of_all_candidates(seeds: int, grouped: bool) -> None:
    groups = np.repeat(np.arange(60), 4) if grouped else None
    right = np.random.default_rng(0).random((seeds, 240)) < 0.7
    one, other = task_scores(right, groups=groups), task_scores(~right, groups=groups)
    alone = [level(it, "accuracy").rows_var for it in (one, other)]
    found = difference(one, other, "accuracy")
    # Whichever rows are drawn, one is right where the other is wrong; of other rows each the variances would add up.
    np.testing.assert_allclose(one.resampled + other.resampled, 1.0)
    assert found.rows_var == pytest.approx(4 * np.mean(alone), rel=0.1)


def test_columns_are_summed_by_group() -> None:
    columns = np.array([[1.0, 0.5], [2.0, 1.0], [4.0, 0.0]])
    np.testing.assert_array_equal(summed(columns, np.array([1, 0, 1])), [[2.0, 1.0], [5.0, 0.5]])


def test_delta_m_has_the_value_worked_out_by_hand() -> None:
    # 0.9 against 0.8 is +12.5 %, 0.4 against 0.5 is -20 %: the mean is -3.75 %.
    def scores(right: int, source: str):  # type: ignore[no-untyped-def]
        return task_scores([[1] * right + [0] * (10 - right)] * 2, source=source)

    found = delta_m({"a": scores(9, "one"), "b": scores(4, "two")}, {"a": scores(8, "one"), "b": scores(5, "two")})
    assert found.mean == pytest.approx(-3.75)


def test_delta_m_is_that_of_the_means_so_that_a_noisy_baseline_does_not_raise_it() -> None:
    # By the seed it would be +100 % and -50 %, which is no change.
    one = task_scores([[1, 1, 0, 0], [1, 0, 0, 0]])
    assert delta_m({"a": one}, {"a": task_scores([[1, 0, 0, 0], [1, 1, 0, 0]])}).mean == 0.0


def test_delta_m_has_the_variances_of_its_first_order_terms() -> None:
    one, base = task_scores([[1, 1, 1, 0], [1, 1, 1, 1]]), task_scores([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]])
    # Means 0.875 and 0.5: slopes 100 / 0.5 and -100 * 0.875 / 0.25; variances 1/32 and 1/16.
    found = delta_m({"a": one}, {"a": base})
    assert found.between_var == pytest.approx(200**2 / 32 / 2 + 350**2 / 16 / 3)
    paired = delta_m({"a": one}, {"a": task_scores([[1, 1, 0, 0], [1, 0, 0, 0]])})
    # Means 0.875 and 0.375: per seed 0.75 and 1 times 266.67, less 0.5 and 0.25 times 622.22.
    each = 100 / 0.375 * np.array([0.75, 1.0]) - 100 * 0.875 / 0.375**2 * np.array([0.5, 0.25])
    assert paired.between_var == pytest.approx(each.var(ddof=1) / 2)


def test_delta_m_seed_by_seed_has_the_same_mean_and_variance() -> None:
    one, base = {"a": drawn(0.9, seed=1), "b": drawn(0.6, seed=2)}, {"a": drawn(0.8, seed=3), "b": drawn(0.7, seed=4)}
    each, whole = changes(one, base), delta_m(one, base)
    assert each.mean() == pytest.approx(whole.mean)
    assert each.var(ddof=1) / 5 == pytest.approx(whole.between_var)
    with pytest.raises(ValueError, match="no pairs"):
        changes(one, {"a": drawn(0.8, seeds=4), "b": drawn(0.7, seeds=4)})


def test_a_baseline_that_lost_a_seed_is_still_compared() -> None:
    one = {"a": drawn(0.9, seed=1), "b": drawn(0.6, seed=2)}
    found = delta_m(one, {"a": drawn(0.8, seed=3), "b": drawn(0.7, seeds=4, seed=4)})
    assert found.num_seeds == 4
    assert found.between_var > 0.0


def test_delta_m_pairs_tasks_of_one_source_by_row() -> None:
    # The second task is right exactly where the first is: resampled together, the two changes are one.
    one, base = drawn(0.9, seed=1), drawn(0.8, seed=2)
    alone = delta_m({"a": one}, {"a": base})
    twice = delta_m({"a": one, "b": one}, {"a": base, "b": base})
    assert twice.rows_var == pytest.approx(alone.rows_var)
    apart = delta_m(
        {"a": one, "b": drawn(0.9, seed=1, source="other")}, {"a": base, "b": drawn(0.8, seed=2, source="other")}
    )
    assert apart.rows_var == pytest.approx(alone.rows_var / 2, rel=0.15)


@pytest.mark.parametrize("scale", [0.1, 3.0, 250.0])
def test_a_relative_change_does_not_depend_on_the_unit(scale: float) -> None:
    values, against = np.array([0.5, 0.9]), np.array([0.4, 1.0])
    assert relative(scale * values, scale * against) == pytest.approx(relative(values, against))


def test_a_relative_change_is_positive_where_it_is_better() -> None:
    assert relative(np.array([0.9]), np.array([0.8]))[0] == pytest.approx(12.5)
    assert relative(np.array([0.9]), np.array([0.8]), higher_is_better=False)[0] == pytest.approx(-12.5)
    assert relative(np.array([-0.9]), np.array([-0.8]))[0] == pytest.approx(-12.5)


def test_a_baseline_of_zero_leaves_the_change_finite() -> None:
    assert relative(np.array([0.02]), np.array([0.0]))[0] == pytest.approx(200.0)


def test_coin_flips_are_covered_as_often_as_is_said() -> None:
    """Two arms that guess, of five trainings each, on 60 rows with two tasks: delta-m is 0, and rows and seeds know."""
    draws = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        arms = [{task: task_scores(draws.random((5, 60)) < 0.5) for task in "ab"} for _ in range(2)]
        interval = delta_m(*arms).interval()
        held += interval.low <= 0.0 <= interval.high
    assert held >= 0.91 * 300


def test_no_interval_of_a_difference_passes_what_is_possible() -> None:
    one, other = (task_scores(np.array(it, dtype=bool)) for it in ([[1] * 9, [0] * 9], [[0] * 9, [1] * 9]))
    between = difference(one, other, "accuracy").interval()
    assert (between.low, between.high) == (-1.0, 1.0)
    assert apart_at_most("nll") == (-np.inf, np.inf)
