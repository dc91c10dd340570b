"""The Pareto front, and the frame around it."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.candidate import SINGLE
from pipeline.reports.figures.tradeoff import _at, _beyond, _box, _overlap, pareto_front, trade_off
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


def test_the_frame_follows_the_candidates_and_all_trials_have_one_of_their_own() -> None:
    trials = pd.DataFrame(
        {
            "number": range(9),
            "validation/a/accuracy": [0.8] * 4 + [0.81] * 4 + [0.1],
            "validation/b/accuracy": [0.7] * 9,
        }
    )
    near, far = trade_off(trials, GAPS, METRICS)
    figure = by_plotly(near.figure)
    assert (figure.layout.xaxis.range, figure.layout.yaxis.range) == ((79.75, 80.25), (69.75, 70.25))
    assert near.sentence == "The frame follows the candidates: 5 of 9 trials lie outside it."
    assert near.alt == f"a against b, on validation: default 80.00 / 70.00 %. {near.sentence}"
    assert 70 < by_plotly(far.figure).layout.xaxis.range[0] < 80
    assert by_plotly(far.figure).layout.xaxis.range[1] > 81
    assert far.sentence == "Outside the frame, below or to the left: 1 trial."
    assert "which reach from 10.00 to 81.00 % on a and 70.00 to 70.00 % on b" in far.alt


def test_candidates_close_together_are_told_apart_by_names_that_do_not_overlap() -> None:
    names = ["equal", "tuned", "random", "uncertainty", "upgrad", "famo", SINGLE]
    levels = {
        "a": [0.991, 0.992, 0.9915, 0.991, 0.993, 0.9925, 0.995],
        "b": [0.981, 0.9812, 0.982, 0.981, 0.98, 0.9815, 0.979],
    }
    gaps = pd.DataFrame(
        [{"candidate": name, "task": task, "validation": it} for task, own in levels.items()
         for name, it in zip(names, own, strict=True)]
    )  # fmt: skip
    trials = pd.DataFrame({"number": [0], "validation/a/accuracy": [0.3], "validation/b/accuracy": [0.4]})
    panel, _ = trade_off(trials, gaps, METRICS)
    figure = by_plotly(panel.figure)
    arms = [trace for trace in figure.data if trace.mode == "markers+text"]
    assert [trace.text[0] for trace in arms] == sorted(names)
    looks = {(trace.marker.color, trace.marker.symbol) for trace in arms}
    assert len(looks) == len({colour for colour, _ in looks}) == len(names)
    frame = {"a": figure.layout.xaxis.range, "b": figure.layout.yaxis.range}
    at = pd.DataFrame([{"a": trace.x[0], "b": trace.y[0]} for trace in arms])
    boxes = [
        _box(spot, len(trace.text[0]), trace.textposition) for spot, trace in zip(_at(at, frame), arms, strict=True)
    ]
    assert all(_overlap(*pair) == 0.0 for pair in combinations(boxes, 2))
    assert all(_beyond(box) == 0.0 for box in boxes)


def test_no_frame_passes_the_scale() -> None:
    (panel,) = trade_off(None, GAPS.assign(validation=[1.0, 0.7]), METRICS)
    assert by_plotly(panel.figure).layout.xaxis.range == (99.75, 100.0)


def test_many_candidates_are_named_in_the_legend() -> None:
    gaps = pd.DataFrame(
        [{"candidate": f"c{number}", "task": task, "validation": number / 100} for number in range(17) for task in "ab"]
    )
    (panel,) = trade_off(None, gaps, METRICS)
    drawn = by_plotly(panel.figure).data[1:]
    assert all(trace.mode == "markers" and trace.showlegend for trace in drawn)
    assert len({(trace.marker.color, trace.marker.symbol) for trace in drawn}) == 17


def test_trials_without_accuracies_of_their_own_leave_the_candidates() -> None:
    (panel,) = trade_off(pd.DataFrame({"number": [0], "value": [0.5]}), GAPS, METRICS)
    assert panel.figure is not None
    assert "trials" not in {trace.name for trace in by_plotly(panel.figure).data}
