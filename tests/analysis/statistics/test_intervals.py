"""The one standard error: values worked out by hand, and what must hold of any."""

import numpy as np
import pytest
from scipy import stats

from pipeline.analysis.statistics.intervals import (
    RESAMPLES,
    Estimate,
    Part,
    between,
    distinct_rows,
    holm,
    over_rows,
    resampled_sums,
    student,
    welch_satterthwaite,
)


def test_students_interval_has_the_value_worked_out_by_hand() -> None:
    # Mean 3, standard error sqrt(2.5 / 5), t(0.975, 4) = 2.776445.
    interval = student(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((1.0367568, 4.9632432), abs=1e-6)


def test_two_seeds_give_a_wide_interval() -> None:
    # t(0.975, 1) = 12.706205; the standard error of 0 and 1 is 0.5.
    interval = student(np.array([0.0, 1.0]))
    assert interval is not None
    assert interval.width == pytest.approx(12.706205, abs=1e-5)


@pytest.mark.parametrize("values", [[0.3], [0.3, np.nan], [0.3, np.inf]])
def test_student_has_no_interval_for_one_seed_or_values_that_are_not_finite(values: list[float]) -> None:
    assert student(np.array(values)) is None


def test_the_variances_of_rows_and_seeds_add_up_to_the_value_worked_out_by_hand() -> None:
    # se^2 = 4 + 1 = 5; df = 5^2 / (4^2 / 99 + 1^2 / 4) = 60.736; t(0.975, 60.736) = 1.999813
    found = Estimate.of(10.0, [Part(4.0, 99)], [Part(1.0, 4)], 5)
    assert (found.rows_var, found.between_var, found.num_seeds) == (4.0, 1.0, 5)
    assert found.se == pytest.approx(5**0.5)
    assert found.df == pytest.approx(60.7361963)
    assert found.interval().high - 10.0 == pytest.approx(stats.t.ppf(0.975, 60.7361963) * 5**0.5)
    assert found.interval(0.9).width < found.interval().width
    assert found.p == pytest.approx(2 * stats.t.sf(10.0 / 5**0.5, 60.7361963))
    assert found.knows == "rows and trainings"


def test_of_two_sides_the_degrees_of_freedom_are_welchs() -> None:
    one, other = np.array([1.0, 2.0, 4.0]), np.array([3.0, 3.5, 9.0, 1.0, 2.0])
    found = Estimate.of(float(one.mean() - other.mean()), (), [between(one), between(other)], 3)
    expected = stats.ttest_ind(one, other, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(expected.df)


def test_a_part_alone_keeps_its_degrees_of_freedom_and_none_has_none() -> None:
    assert welch_satterthwaite([Part(0.3, 7)]) == pytest.approx(7)
    assert welch_satterthwaite([Part(0.0, 7), Part(0.0, 4)]) == 4
    assert np.isnan(welch_satterthwaite([]))


@pytest.mark.parametrize(
    ("rows", "seeds", "knows"),
    [
        (Part(0.1, 9), None, "rows"),
        (None, Part(0.1, 4), "trainings"),
        (None, None, "nothing"),
    ],
)
def test_a_standard_error_says_what_it_knows_of(rows: Part | None, seeds: Part | None, knows: str) -> None:
    found = Estimate.of(0.2, [rows], [seeds], 1)
    assert found.knows == knows
    assert np.isnan(found.se) == (knows == "nothing")
    assert found.verdict() == "unclear"


def test_no_interval_passes_the_bounds_of_what_it_is_of() -> None:
    interval = Estimate(0.99, 0.01, 0.01, 4.0, 5, (0.0, 1.0)).interval()
    assert interval.high == 1.0
    assert 0.0 < interval.low < 0.99


@pytest.mark.parametrize(
    ("mean", "verdict"), [(0.5, "better"), (-0.5, "worse"), (0.1, "unclear"), (-0.1, "unclear"), (0.0, "unclear")]
)
def test_a_verdict_is_clear_where_the_interval_leaves_out_zero(mean: float, verdict: str) -> None:
    estimate = Estimate(mean, 0.01, 0.0, 30.0, 5)
    assert estimate.verdict() == verdict
    assert estimate.verdict(higher_is_better=False) == {"better": "worse", "worse": "better"}.get(verdict, verdict)
    assert (estimate.interval().low > 0 or estimate.interval().high < 0) == (verdict != "unclear")
    assert estimate.verdict(p=0.06) == "unclear"


def test_a_p_value_is_that_of_the_t_test_where_seeds_alone_are_known() -> None:
    values = np.array([0.1, 0.3, -0.05, 0.2])
    assert Estimate.over_seeds(values).p == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue)


def test_without_any_spread_nothing_differs_by_nothing_and_agreeing_seeds_are_no_proof() -> None:
    assert Estimate(0.0, 0.0, 0.0, 4.0, 5).p == 1.0
    assert np.isnan(Estimate.over_seeds(np.full(3, 0.02)).p)
    assert Estimate(0.02, 0.0, 0.0, 4.0, 5).p == 0.0


def test_resampled_rows_have_the_variance_of_a_mean() -> None:
    values = np.random.default_rng(3).integers(-5, 6, 300)
    sums = resampled_sums(np.stack([values, np.ones_like(values)], 1), np.random.default_rng(0))
    assert (sums[:, 1] == 300).all()
    part = over_rows(sums[:, 0] / 300, 300)
    assert part is not None
    assert part.df == 299
    assert part.variance == pytest.approx(values.var(ddof=1) / 300, rel=6 * (2 / RESAMPLES) ** 0.5)


def test_of_few_rows_the_variance_is_not_too_small() -> None:
    # Of n values resampling knows (n - 1) / n of the variance: of three, two thirds.
    values = np.array([0.0, 3.0, 6.0])
    part = over_rows(resampled_sums(values[:, None], np.random.default_rng(0))[:, 0] / 3, 3)
    assert part is not None
    assert part.variance == pytest.approx(values.var(ddof=1) / 3, rel=6 * (2 / RESAMPLES) ** 0.5)


def test_resamples_of_which_nothing_is_known_are_left_out_and_one_row_tells_nothing() -> None:
    part = over_rows(np.array([np.nan, 1.0, 3.0]), 10)
    assert part is not None
    assert part.variance == pytest.approx(2.0 * 10 / 9)
    assert over_rows(np.array([np.nan, 1.0]), 10) is None
    assert over_rows(np.array([1.0, 1.0]), 1) is None


def test_resampling_is_the_same_every_time() -> None:
    columns = np.random.default_rng(0).integers(0, 3, (50, 2))
    first, second = (resampled_sums(columns, np.random.default_rng(7)) for _ in range(2))
    assert (first == second).all()


def test_of_few_distinct_rows_how_often_each_is_drawn_has_the_same_distribution() -> None:
    draws = np.random.default_rng(1)
    columns = draws.integers(0, 3, (600, 2)) / 7.0
    distinct, counts = distinct_rows(columns)
    wanted, times = np.unique(columns, axis=0, return_counts=True)
    order = np.lexsort(distinct.T[::-1])
    np.testing.assert_array_equal(distinct[order], wanted)
    np.testing.assert_array_equal(counts[order], times)
    sums = resampled_sums(columns, np.random.default_rng(0))
    np.testing.assert_allclose(sums.mean(0), columns.sum(0), rtol=0.01)
    np.testing.assert_allclose(np.cov(sums.T), 600 * np.cov(columns.T, bias=True), rtol=0.15, atol=0.3)


@pytest.mark.parametrize("rows", [3, 50, 4000])
def test_distinct_rows_are_those_of_numpy_whatever_their_bits(rows: int) -> None:
    draws = np.random.default_rng(rows)
    values = np.array([0.0, -0.0, 0.5, 1.0, 2.0, 4.0, 1e-300, -1.0, 3.0])
    columns = values[draws.integers(len(values), size=(rows, 5))] + 0.0
    wanted, times = np.unique(columns, axis=0, return_counts=True)
    distinct, counts = distinct_rows(columns)
    order = np.lexsort(distinct.T[::-1])
    np.testing.assert_array_equal(distinct[order], wanted)
    np.testing.assert_array_equal(counts[order], times)


def test_columns_of_one_row_stay_together() -> None:
    column = np.random.default_rng(0).integers(0, 6, 80)
    sums = resampled_sums(np.stack([column, 2 * column], 1), np.random.default_rng(0))
    assert (sums[:, 1] == 2 * sums[:, 0]).all()


def test_holm_corrects_as_in_a_worked_example() -> None:
    # 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which may not be below the one before it
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one_and_leaves_out_what_was_not_tested() -> None:
    np.testing.assert_allclose(holm(np.array([0.6, np.nan, 0.7])), [1.0, np.nan, 1.0])
    assert holm(np.array([])).shape == (0,)
