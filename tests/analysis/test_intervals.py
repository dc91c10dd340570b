"""Intervals: values worked out by hand, and what must hold of any."""

import numpy as np
import pytest
from scipy import stats

from pipeline.analysis.intervals import Estimate, Interval, percentile, resampled_sums, student, student_p


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


def test_a_percentile_interval_leaves_a_fortieth_at_each_end() -> None:
    interval = percentile(np.arange(1001.0))
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((25.0, 975.0))


def test_resampled_sums_have_the_interval_that_scipys_bootstrap_gives() -> None:
    values = np.random.default_rng(3).integers(-5, 6, 300)
    sums = resampled_sums(np.stack([values, np.ones_like(values)], 1), np.random.default_rng(0))
    assert (sums[:, 1] == 300).all()
    own = percentile(sums[:, 0] / 300)
    scipys = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert own is not None
    assert (own.low, own.high) == pytest.approx((scipys.low, scipys.high), abs=0.04)


def test_resampling_is_the_same_every_time() -> None:
    columns = np.random.default_rng(0).integers(0, 3, (50, 2))
    first, second = (resampled_sums(columns, np.random.default_rng(7)) for _ in range(2))
    assert (first == second).all()


def test_columns_of_one_row_stay_together() -> None:
    column = np.random.default_rng(0).integers(0, 6, 80)
    sums = resampled_sums(np.stack([column, 2 * column], 1), np.random.default_rng(0))
    assert (sums[:, 1] == 2 * sums[:, 0]).all()


def test_the_wider_interval_decides() -> None:
    narrow, wide = Interval(0.1, 0.2), Interval(-0.1, 0.4)
    assert Estimate(0.15, narrow, wide, 5).decider == "rows"
    assert Estimate(0.15, wide, narrow, 5).decider == "seeds"
    assert Estimate(0.15, narrow, wide, 5).interval == wide


def test_without_seeds_rows_decide_and_without_both_nothing_does() -> None:
    assert Estimate(0.1, None, Interval(0.0, 0.2), 1).decider == "rows"
    nothing = Estimate(0.1, None, None, 1)
    assert nothing.decider == "none"
    assert np.isnan(nothing.interval.low)
    assert nothing.verdict() == "unclear"


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.1, 0.2, "better"), (-0.2, -0.1, "worse"), (-0.1, 0.1, "unclear"), (0, 0, "unclear")]
)
def test_a_verdict_is_clear_only_where_the_interval_leaves_out_zero(low: float, high: float, verdict: str) -> None:
    estimate = Estimate((low + high) / 2, Interval(low, high), None, 5)
    assert estimate.verdict() == verdict
    assert estimate.verdict(higher_is_better=False) == {"better": "worse", "worse": "better"}.get(verdict, verdict)


def test_a_p_value_is_that_of_the_t_test_and_unknown_without_any_spread() -> None:
    values = np.array([0.1, 0.3, -0.05, 0.2])
    interval = student(values)
    assert interval is not None
    expected = stats.ttest_1samp(values, 0.0).pvalue
    assert student_p(values.mean(), interval.width / 2, 4) == pytest.approx(expected)
    assert student_p(0.0, 0.0, 4) == 1.0
    assert np.isnan(student_p(0.02, 1e-17, 2))
