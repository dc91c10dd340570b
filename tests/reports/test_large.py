"""However much there is to show, a page stays small and says what it leaves out."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.reports import ReportData, render, verdict
from pipeline.reports.environment import rendered
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import Panel
from pipeline.reports.page import Head, Page
from pipeline.reports.parts import Panels, Table
from pipeline.reports.shown import MOST, drawn, narrowed
from tests.analysis.made import report_data

LARGEST = 1_000_000


def of_tasks(count: int, looks: int = 20) -> ReportData:
    """Sharing costs a task the more the higher its number; many looks, and a study with a weight a task."""
    draws = np.random.default_rng(0)
    shared = {f"t{number:03}": 0.85 - 0.4 * number / count for number in range(count)}
    data = report_data(shared, dict.fromkeys(shared, 0.85), seeds=2)
    curves = pd.concat([data.evaluation.curves.assign(updates=10 * (look + 1), epoch=look) for look in range(looks)])
    trials = {"number": range(40), "state": "COMPLETE", "reason": "", "value": draws.uniform(0.5, 0.9, 40)}
    trials |= {f"balancing.weights.{task}": draws.uniform(0, 2, 40) for task in shared}
    return replace(data, evaluation=replace(data.evaluation, curves=curves), trials=pd.DataFrame(trials))


def test_of_many_tasks_the_worst_are_shown_and_all_are_judged() -> None:
    data = of_tasks(200)
    page = render(data)
    assert len(page) < LARGEST
    cards = re.findall(r'class="name">(t\d+)<', page)
    assert len(cards) == MOST
    # Where the loss is a tenth of the interval apart, chance may swap two; none of the first hundred is among them.
    assert all(int(it[1:]) > 100 for it in cards)
    assert f"{MOST} of 200 tasks are shown below, those on which the network does worst" in page
    assert verdict(data).replace("&", "&amp;") in page
    shown, _ = narrowed(data)
    assert set(shown.tasks) == set(cards)
    assert "decision" not in shown.__dict__
    assert "balancing.weights.t000" not in page


def test_of_few_tasks_all_are_shown() -> None:
    data = of_tasks(MOST)
    shown, said = narrowed(data)
    assert (shown.tasks, said) == (data.tasks, "")


def test_without_single_task_networks_the_tasks_with_the_lowest_level_are_shown() -> None:
    levels = {f"t{number:03}": 0.4 + 0.5 * number / 99 for number in range(100)}
    shown, said = narrowed(report_data(levels, {}, seeds=2))
    assert "worst by their metric" in said
    assert all(int(task[1:]) < 50 for task in shown.tasks)


def test_of_many_labels_the_worst_are_shown() -> None:
    data = report_data({"a": 0.7}, {"a": 0.8})
    labels = [
        data.evaluation.scores.iloc[0].to_dict()
        | {"metric": f"roc_auc.l{number}", "mean": number / 900, "primary": False}
        for number in range(900)
    ]
    labels[7]["mean"] = float("nan")
    scores = pd.concat([data.evaluation.scores, pd.DataFrame(labels)], ignore_index=True)
    page = render(replace(data, evaluation=replace(data.evaluation, scores=scores)))
    assert set(re.findall(r"roc_auc\.l(\d+)", page)) == {str(it) for it in range(31)} - {"7"}


def test_of_many_trials_the_best_are_drawn_and_some_others() -> None:
    draws = np.random.default_rng(0)
    trials = pd.DataFrame(
        {"number": range(2_000), "state": np.where(draws.random(2_000) < 0.9, "COMPLETE", "PRUNED"), "reason": "",
         "value": draws.normal(size=2_000), "replicate": 0, "seconds": 1.0}
        | {f"setting.{number}": draws.uniform(0, 1, 2_000) for number in range(8)}
        | {f"epoch_{look}": draws.normal(size=2_000) for look in range(1, 21)}
    )  # fmt: skip
    few, said = drawn(trials)
    assert len(few) == len(set(few["number"])) == 300
    best = trials[trials["state"] == "COMPLETE"].nlargest(150, "value")["number"]
    assert set(best) <= set(few["number"])
    assert few["number"].is_monotonic_increasing
    page = render(replace(report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}), trials=trials))
    assert said.split(":")[0] in page
    assert len(page) < LARGEST


def test_a_page_has_an_end_whatever_is_put_into_it() -> None:
    page = Page()
    figure = Figure().add_scatter(x=list(range(5_000)), y=np.random.default_rng(0).random(5_000))
    for number in range(40):
        page.section(f"f{number}", "title", Panels([Panel("one", figure)]))
    for number in range(40):
        page.section(f"t{number}", "title", Table(["a"] * 10, [["x" * 9] * 10] * 999))
    whole = page.document("t", Head("a", "b", "c", "d"))
    assert len(whole) < LARGEST
    assert "Not drawn, since the page would be too large" in whole
    assert "Left out, since the page would be too large" in whole
    assert "399 more rows are in the tables of the run." in whole


@pytest.mark.parametrize(("rows", "more"), [(3000, 0), (3001, 1)])
def test_a_table_says_how_many_rows_it_leaves_out(rows: int, more: int) -> None:
    html = rendered("section.html", parts=[Table(["a", "b"], [["x", "y"]] * rows)])
    assert html.count("<tr>") == 1 + rows - more
    assert ("more rows" in html) == bool(more)
