"""The Pareto front, and the frame around it."""

import numpy as np
import pandas as pd
import pytest

from pipeline.reports.figures.tradeoff import pareto_front, trade_off
from tests.analysis.made import by_plotly

METRICS = {"a": "accuracy", "b": "accuracy"}
GAPS = pd.DataFrame({"candidate": ["default"] * 2, "task": ["a", "b"], "validation": [0.8, 0.7]})


@pytest.mark.parametrize(
    ("x", "y", "front"),
    [
        ([1, 2, 3], [3, 2, 1], [True, True, True]),
        ([1, 2, 3], [1, 2, 3], [False, False, True]),
        ([1, 1, 0], [1, 1, 2], [True, True, True]),
        ([2, 2, 1], [1, 3, 3], [False, True, False]),
        ([], [], []),
    ],
)
def test_the_front_is_what_no_other_point_beats(x: list[float], y: list[float], front: list[bool]) -> None:
    assert pareto_front(np.array(x, float), np.array(y, float)).tolist() == front


def test_the_front_agrees_with_comparing_every_pair() -> None:
    x, y = np.random.default_rng(0).integers(0, 12, (2, 60)).astype(float)
    beaten = [((x >= x[i]) & (y >= y[i]) & ((x > x[i]) | (y > y[i]))).any() for i in range(60)]
    assert (pareto_front(x, y) == ~np.array(beaten)).all()


def test_one_task_has_nothing_to_trade() -> None:
    (panel,) = trade_off(None, GAPS, {"a": "accuracy"})
    assert panel.figure is None
    assert "one task" in panel.sentence


def test_without_validation_a_sentence_stands_in_place_of_the_figure() -> None:
    (panel,) = trade_off(None, GAPS.iloc[:0], METRICS)
    assert panel.figure is None
    assert "validation" in panel.sentence


def test_outliers_are_named_outside_the_frame() -> None:
    trials = pd.DataFrame(
        {
            "number": range(9),
            "validation/a/accuracy": [0.8] * 4 + [0.81] * 4 + [0.1],
            "validation/b/accuracy": [0.7] * 9,
        }
    )
    (panel,) = trade_off(trials, GAPS, METRICS)
    assert panel.figure is not None
    assert by_plotly(panel.figure).layout.xaxis.range[0] > 70
    assert panel.sentence == "Outside the frame, below or to the left: 1 trial."


def test_trials_without_accuracies_of_their_own_leave_the_candidates() -> None:
    (panel,) = trade_off(pd.DataFrame({"number": [0], "value": [0.5]}), GAPS, METRICS)
    assert panel.figure is not None
    assert "trials" not in {trace.name for trace in by_plotly(panel.figure).data}
