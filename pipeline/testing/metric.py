"""Conformance of metrics of one's own."""

import re
from typing import ClassVar

import numpy as np

from pipeline.analysis.own_metrics import check_metrics, made_up, measured, metric_at, name_of
from pipeline.testing.base import Conformance

_ROWS = 30


class MetricConformance(Conformance):
    """Tests of one of a task's `metrics`: `f(true, answers) -> float`, see `pipeline.analysis.own_metrics`.

    Attributes:
        kind: Of the task that it is for: multiclass, binary, multilabel or regression.
    """

    kind: ClassVar[str]

    def test_an_experiment_takes_it(self) -> None:
        """The check that is made when an experiment begins."""
        check_metrics(self.kind, [self.path])

    def test_its_name_can_stand_in_a_table_and_a_run(self) -> None:
        """Letters, digits, `_` and `.`."""
        assert re.fullmatch(r"[A-Za-z0-9_.]+", name_of(self.path)), f"'{name_of(self.path)}' has other characters"

    def test_it_measures_the_same_twice_and_changes_nothing_that_it_is_given(self) -> None:
        """It keeps nothing from one call to the next."""
        true, answers = made_up(self.kind, _ROWS)
        before = true.copy(), answers.copy()
        metric = metric_at(self.path)
        first, second = (measured(self.path, metric, true, answers) for _ in range(2))
        assert np.array_equal(first, second, equal_nan=True), f"measures {first}, then {second}"
        metric(true, answers)
        assert np.array_equal(true, before[0]), "changes the true values"
        assert np.array_equal(answers, before[1]), "changes the answers"

    def test_the_order_of_rows_does_not_matter(self) -> None:
        """It is about the rows, not about where they stand."""
        true, answers = made_up(self.kind, _ROWS)
        metric, order = metric_at(self.path), np.random.default_rng(1).permutation(_ROWS)
        one = measured(self.path, metric, true, answers)
        other = measured(self.path, metric, true[order], answers[order])
        assert np.isclose(one, other, rtol=1e-9, equal_nan=True), f"measures {one}, and in another order {other}"
