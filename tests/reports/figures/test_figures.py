"""Figures show what the tables say."""

import numpy as np
import pandas as pd
import pytest

from pipeline.reports.figures.candidates import differences, gap_dots, side_by_side
from pipeline.reports.figures.confusion import confusion_matrices
from pipeline.reports.figures.costs import cost_bars, step_times
from pipeline.reports.figures.curves import learning_curves
from pipeline.reports.figures.data import shares
from pipeline.reports.figures.search import weights_over_trials
from tests.analysis.made import by_plotly, report_data

DATA = report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}).evaluation


def test_each_task_has_a_panel_with_every_candidate() -> None:
    panels = side_by_side(DATA.scores)
    assert [panel.caption for panel in panels] == ["a", "b"]
    for panel in panels:
        assert panel.figure is not None
        assert [trace.name for trace in by_plotly(panel.figure).data] == ["default", "single-task"]


def test_error_bars_reach_to_the_ends_of_the_interval() -> None:
    row = DATA.scores[(DATA.scores["metric"] == "accuracy") & (DATA.scores["task"] == "a")].iloc[0]
    figure = by_plotly(side_by_side(DATA.scores)[0].figure)
    assert figure is not None
    bar = figure.data[0]
    assert bar.x[0] + bar.error_x.array[0] == pytest.approx(100 * row["high"])
    assert bar.x[0] - bar.error_x.arrayminus[0] == pytest.approx(100 * row["low"])


def test_a_pair_of_candidates_has_a_panel_of_differences() -> None:
    (panel,) = differences(DATA.differences)
    assert panel.caption == "default minus single-task"
    assert panel.figure is not None
    assert [trace.y[0] for trace in by_plotly(panel.figure).data] == ["a", "b"]


def test_confusion_is_in_percent_of_the_true_class_and_names_the_worst_mistake() -> None:
    counts = pd.DataFrame(
        [["default", "a", "x", "x", 6], ["default", "a", "x", "<y>", 2], ["default", "a", "<y>", "x", 1],
         ["default", "a", "<y>", "<y>", 3]],
        columns=["candidate", "task", "true", "answered", "count"],
    )  # fmt: skip
    (panel,) = confusion_matrices(counts, "default")
    assert panel.figure is not None
    right, wrong = by_plotly(panel.figure).data
    assert right.z[0][0] == 75.0
    assert wrong.z[1][0] == 25.0
    assert list(right.x) == ["x", "&lt;y&gt;"]
    assert panel.sentence == "Most often: x taken for <y> in 25 %, <y> taken for x in 25 %."


def test_of_many_classes_the_most_confused_are_drawn() -> None:
    names = [f"c{number:03}" for number in range(300)]
    cells = [["default", "a", name, name, 9] for name in names]
    cells += [["default", "a", names[it], names[it + 200], 1 + it] for it in range(100)]
    (panel,) = confusion_matrices(
        pd.DataFrame(cells, columns=["candidate", "task", "true", "answered", "count"]), "default"
    )
    right, wrong = by_plotly(panel.figure).data
    assert list(right.x) == names[75:100] + names[275:]
    assert wrong.z[24][49] == pytest.approx(100 * 100 / 109, abs=0.01)
    assert panel.sentence.endswith("The 50 most confused of 300 classes are drawn; confusions.csv has all.")
    assert right.text is None


def test_curves_show_validation_where_there_is_one_and_else_train() -> None:
    assert [panel.caption for panel in learning_curves(DATA.curves)] == [
        "a: validation accuracy",
        "b: validation accuracy",
    ]
    blind = DATA.curves.assign(split="train")
    assert learning_curves(blind)[0].caption == "a: train accuracy"


def test_gaps_and_costs_have_a_panel_each() -> None:
    assert [panel.caption for panel in gap_dots(DATA.gaps)] == ["a", "b"]
    assert len(cost_bars(DATA.costs)) == 3


def test_times_have_their_spread_and_counts_have_none() -> None:
    costs = DATA.costs.assign(latency_ms=0.2, latency_low_ms=0.15, latency_high_ms=0.3).head(2)
    parameters, row, batch = (by_plotly(panel.figure).data[0] for panel in cost_bars(costs))
    assert parameters.error_x.array is None
    assert (row.text[0], row.customdata[0]) == ("0.2", "0.2 (0.15 to 0.3)")
    np.testing.assert_allclose([row.error_x.arrayminus, row.error_x.array], [[0.05] * 2, [0.1] * 2])
    np.testing.assert_allclose([batch.error_x.arrayminus, batch.error_x.array], [[1e4] * 2, [1e4] * 2])
    panel = cost_bars(costs)[1]
    assert "medians of repeats" in panel.sentence
    assert f"{costs['candidate'][1]} 0.2 (0.15 to 0.3)" in panel.described


def test_steps_without_any_are_left_out_and_cached_ones_are_explained() -> None:
    steps = pd.DataFrame({"step": ["prepare", "train"], "seconds": [1.0, 2.0], "cached": [True, False]})
    assert step_times(steps.iloc[:0]) == []
    assert "earlier run" in step_times(steps)[0].sentence


def test_weights_are_shown_only_where_they_were_searched() -> None:
    trials = pd.DataFrame({"number": [0, 1], "state": ["COMPLETE", "PRUNED"], "value": [0.5, 0.9]})
    assert weights_over_trials(trials)[0].figure is None
    wider = trials.assign(**{"balancing.weights.a": [0.5, 1.2], "balancing.weights.b": [1.5, 0.8]})
    figure = by_plotly(weights_over_trials(wider)[0].figure)
    assert figure is not None
    assert [trace.name for trace in figure.data] == ["a", "b"]
    assert figure.layout.annotations[0].x == 0  # a pruned trial is not the best, whatever it had reached
    elsewhere = wider.assign(**{"balancing.weights.a": [np.nan, 1.2], "balancing.weights.b": [np.nan, 0.8]})
    figure = by_plotly(weights_over_trials(elsewhere)[0].figure)
    assert figure is not None
    assert figure.layout.annotations[0].y == 0  # the best one did not search them


def test_the_data_are_drawn_by_split_and_class() -> None:
    rows = {"train": 80, "validation": 20}
    tasks = {
        "kind": {"kind": "multiclass", "source": "it", "classes": ["a", "<b>"],
                 "labelled": {"train": [60], "validation": [20]},
                 "counts": {"train": [15, 45], "validation": [5, 15]}},
        "marks": {"kind": "multilabel", "source": "it", "classes": ["x", "y"],
                  "labelled": {"train": [80, 40], "validation": [20, 20]},
                  "counts": {"train": [8, 20], "validation": [2, 10]}},
        "size": {"kind": "regression", "source": "it", "classes": [], "labelled": {"train": [80], "validation": [20]},
                 "counts": {}, "mean": 3.5, "std": 2.0},
    }  # fmt: skip
    one, several, number = shares({"sources": {"it": {"rows": rows}}, "tasks": tasks})
    assert one.figure is not None
    assert [list(trace.y) for trace in by_plotly(one.figure).data] == [[75.0, 25.0], [75.0, 25.0]]
    assert list(by_plotly(one.figure).data[0].x) == ["&lt;b&gt;", "a"]
    assert {it.marker.pattern.fillmode for it in by_plotly(one.figure).data} == {"overlay"}  # else hatches have no ink
    assert "60 of 80 in train (25.0 % missing), 20 of 20 in validation." in one.sentence
    assert several.figure is not None
    assert list(by_plotly(several.figure).data[0].y) == [50.0, 10.0]
    assert number.figure is None
    assert "Mean 3.5, standard deviation 2" in number.sentence
