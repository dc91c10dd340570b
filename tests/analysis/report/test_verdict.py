"""The first line answers, in every case."""

import re

import pytest

from pipeline.analysis.report import verdict
from pipeline.analysis.report.verdict import details
from tests.analysis.made import drawn, evaluation, report_data

NUMBER = r"[+-]\d+\.\d\d"
INTERVAL = rf"\[{NUMBER}, {NUMBER}\]"


def test_it_helps() -> None:
    line = verdict(report_data({"a": 0.95, "b": 0.6}, {"a": 0.5, "b": 0.6}))
    clear, unclear = rf"\+\d+\.\d\d points on a {INTERVAL}", rf"no clear difference on b \(\+0\.00 points {INTERVAL}\)"
    assert re.fullmatch(rf"Sharing helps here: {clear}, {unclear}\.", line)


def test_it_hurts() -> None:
    line = verdict(report_data({"a": 0.5, "b": 0.6}, {"a": 0.95, "b": 0.6}))
    assert re.match(rf"Sharing does not help here: -\d+\.\d\d points on a {INTERVAL}, no clear difference on b", line)


def test_it_is_unclear() -> None:
    line = verdict(report_data({"a": 0.6, "b": 0.7}, {"a": 0.6, "b": 0.7}))
    assert line.startswith("It is unclear whether sharing helps here: no clear difference on a (")
    assert " or b (" in line


def test_it_helps_one_and_hurts_another() -> None:
    line = verdict(report_data({"a": 0.95, "b": 0.5}, {"a": 0.5, "b": 0.95}))
    assert line.startswith("Sharing helps some tasks here and hurts others: +")


def test_one_task_shares_nothing() -> None:
    assert verdict(report_data({"a": 0.6}, {"a": 0.6})) == (
        "There is one task, a: nothing is shared, so sharing can neither help nor hurt."
    )


def test_without_baselines_the_answer_is_not_known() -> None:
    assert "not known: no single-task baselines were trained" in verdict(report_data({"a": 0.6, "b": 0.7}, {}))


def test_a_network_that_shares_nothing_is_not_said_to_share() -> None:
    scores = {"a": drawn(0.7), "b": drawn(0.6)}
    made = report_data({"a": 0.7, "b": 0.6}, {"a": 0.7, "b": 0.6})
    apart = evaluation(
        {"default": ("default", scores), "single-task": ("single", scores)}, {"model.sharing.kind": "separate"}
    )
    line = verdict(type(made)(name="apart", evaluation=apart))
    assert line.startswith("Nothing is shared here")


@pytest.mark.parametrize(("seeds", "said"), [(1, "one seed only"), (5, "Student's t over 5 paired seeds")])
def test_the_details_say_what_the_intervals_know(seeds: int, said: str) -> None:
    lines = " ".join(details(report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}, seeds)))
    assert said in lines
    assert "delta-m" in lines


def test_the_details_mark_a_delta_m_of_unequally_tuned_candidates_and_say_what_tuning_gave() -> None:
    one, better = {"a": drawn(0.5), "b": drawn(0.6)}, {"a": drawn(0.9), "b": drawn(0.6)}
    made = report_data({"a": 0.7, "b": 0.6}, {"a": 0.7, "b": 0.6})
    tuned = evaluation({"default": ("default", one), "single-task": ("single", one), "tuned": ("tuned", better)})
    lines = " ".join(details(type(made)(name="tuned", evaluation=tuned)))
    assert "(tuned against untuned baselines)" in lines
    assert re.search(rf"Tuning, against the network as written: \+\d+\.\d\d points on a {INTERVAL}", lines)


def test_what_was_left_out_is_said_first() -> None:
    data = report_data({"a": 0.7, "b": 0.6}, {}, left_out=("tune was left out because of this.",))
    assert details(data)[0] == "tune was left out because of this."
