"""A figure in words says the numbers that it draws."""

import numpy as np
import pandas as pd

from pipeline.reports.figures.candidates import differences, side_by_side
from pipeline.reports.figures.described import described
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.matrix import matrix
from pipeline.reports.figures.style import DIVERGING, Panel
from tests.analysis.made import report_data

DATA = report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}).evaluation


def test_each_candidate_is_told_with_its_interval() -> None:
    said = side_by_side(DATA.scores)[0].described
    row = DATA.scores[(DATA.scores["metric"] == "accuracy") & (DATA.scores["task"] == "a")].iloc[0]
    mean, low, high = (f"{100 * row[it]:.4g}" for it in ("mean", "low", "high"))
    assert said.startswith(f"a. test accuracy, %: default {mean} [{low}, {high}]; single-task ")


def test_each_task_of_a_difference_is_told() -> None:
    said = differences(DATA.differences)[0].described
    a, b = DATA.differences[DATA.differences["metric"] == "accuracy"].to_dict("records")
    shown = [f"{it['task']} {100 * it['mean']:.4g} [{100 * it['low']:.4g}, {100 * it['high']:.4g}]" for it in (a, b)]
    assert said == f"default minus single-task. points of test accuracy: {'; '.join(shown)}."


def test_an_interval_that_is_not_known_is_left_out() -> None:
    figure = Figure().add_scatter(x=[0.5], y=["a"], error_x={"color": "red"}, name="a")
    assert described(figure) == "a 0.5."


def test_a_line_is_told_by_its_ends_and_extremes() -> None:
    figure = Figure().add_scatter(x=[1, 2, 3], y=[0.1, 0.9, 0.5], name="tuned")
    assert described(figure) == "tuned from 0.1 to 0.5 (3 points, lowest 0.1, highest 0.9)."


def test_bars_are_told_one_by_one_and_of_many_the_first() -> None:
    few = Figure().add_bar(x=["a", "<b>"], y=[1.0, None], name="train")
    assert described(few) == "train: a 1, <b> unknown."
    many = Figure().add_bar(x=[f"c{it}" for it in range(40)], y=list(range(40)))
    assert described(many).endswith("c11 11, and 28 more.")


def test_cells_are_told_the_highest_first() -> None:
    cells = pd.DataFrame([[np.nan, -0.5], [2.0, np.nan]], ["a", "b"], ["x", "y"])
    assert described(matrix(cells, "", (-2, 2), DIVERGING)) == "b by x 2, a by y -0.5."
    many = pd.DataFrame(np.arange(100.0).reshape(10, 10), list("abcdefghij"), list("abcdefghij"))
    assert described(matrix(many, "", (0, 99), DIVERGING)).startswith(
        "of 100 cells the highest and lowest: j by j 99, j by i 98, j by h 97, j by g 96, a by b 1, a by a 0"
    )


def test_words_of_ones_own_come_before_those_that_are_made() -> None:
    assert Panel("it", Figure().add_bar(x=["a"], y=[1]), alt="Nothing is seen.").described == "it. Nothing is seen."
    assert Panel("it", sentence="Too few.").described == "it"
