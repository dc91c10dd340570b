"""Differences and delta-m: values worked out by hand, and what must hold of any."""

import numpy as np
import pytest

from pipeline.analysis.compare import delta_m, difference, level, relative
from tests.analysis.made import drawn, task_scores


def test_a_difference_is_paired_by_seed() -> None:
    # Accuracies 3/4, 2/4 and 2/4, 1/4: every seed differs by a quarter, so seeds leave no doubt.
    one = task_scores([[1, 1, 1, 0], [1, 1, 0, 0]])
    other = task_scores([[1, 1, 0, 0], [1, 0, 0, 0]])
    found = difference(one, other, "accuracy")
    assert found.mean == pytest.approx(0.25)
    assert found.seeds is not None
    assert found.seeds.width == pytest.approx(0.0)
    assert found.decider == "rows"


def test_identical_candidates_differ_by_nothing() -> None:
    scores = drawn(0.8)
    found = difference(scores, scores, "accuracy")
    assert (found.mean, found.interval.low, found.interval.high) == (0.0, 0.0, 0.0)
    assert found.verdict() == "unclear"
    nothing = delta_m({"a": scores}, {"a": scores})
    assert (nothing.mean, nothing.interval.low, nothing.interval.high) == (0.0, 0.0, 0.0)


def test_a_difference_turned_round_changes_its_sign() -> None:
    one, other = drawn(0.9, seed=1), drawn(0.6, seed=2)
    found, turned = difference(one, other, "accuracy"), difference(other, one, "accuracy")
    assert found.mean == -turned.mean
    assert found.interval.low == pytest.approx(-turned.interval.high, abs=0.01)
    assert (found.verdict(), turned.verdict()) == ("better", "worse")


def test_the_interval_over_rows_shrinks_with_the_root_of_their_number() -> None:
    few, many = (level(drawn(0.8, rows=rows), "accuracy").rows for rows in (400, 6400))
    assert few is not None
    assert many is not None
    assert few.width / many.width == pytest.approx(4.0, rel=0.2)


def test_one_seed_leaves_only_the_interval_over_rows() -> None:
    one, other = drawn(0.9, seeds=1, seed=1), drawn(0.6, seeds=1, seed=2)
    found = difference(one, other, "accuracy")
    assert found.seeds is None
    assert found.decider == "rows"
    assert found.num_seeds == 1


def test_metrics_other_than_accuracy_have_an_interval_over_seeds_only() -> None:
    scores = task_scores([[1, 0], [1, 1]], nll=[0.5, 0.7])
    assert level(scores, "nll").rows is None
    assert level(scores, "nll").mean == pytest.approx(0.6)


def test_rows_without_a_label_count_nowhere() -> None:
    labelled = [True, True, True, False]
    one = task_scores([[1, 1, 1, 0]], labelled)
    other = task_scores([[1, 1, 1, 0]], labelled)
    assert level(one, "accuracy").mean == 1.0
    assert difference(one, other, "accuracy").mean == 0.0
    found = level(one, "accuracy").rows
    assert found is not None
    assert (found.low, found.high) == (1.0, 1.0)


def test_a_pair_of_other_rows_or_seeds_is_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        difference(drawn(0.8, seeds=5), drawn(0.8, seeds=4), "accuracy")
    with pytest.raises(ValueError, match="paired"):
        difference(task_scores([[1, 0]], [True, False]), task_scores([[1, 0]]), "accuracy")


def test_delta_m_has_the_value_worked_out_by_hand() -> None:
    # 0.9 against 0.8 is +12.5 %, 0.4 against 0.5 is -20 %: the mean is -3.75 %.
    def scores(right: int, source: str):  # type: ignore[no-untyped-def]
        return task_scores([[1] * right + [0] * (10 - right)] * 2, source=source)

    found = delta_m({"a": scores(9, "one"), "b": scores(4, "two")}, {"a": scores(8, "one"), "b": scores(5, "two")})
    assert found.mean == pytest.approx(-3.75)


def test_delta_m_pairs_tasks_of_one_source_by_row() -> None:
    # The second task is right exactly where the first is: resampled together, the two changes are one.
    one, base = drawn(0.9, seed=1), drawn(0.8, seed=2)
    alone = delta_m({"a": one}, {"a": base})
    twice = delta_m({"a": one, "b": one}, {"a": base, "b": base})
    assert twice.rows == alone.rows
    apart = delta_m(
        {"a": one, "b": drawn(0.9, seed=1, source="other")}, {"a": base, "b": drawn(0.8, seed=2, source="other")}
    )
    assert alone.rows is not None
    assert apart.rows is not None
    assert apart.rows.width < 0.85 * alone.rows.width


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
