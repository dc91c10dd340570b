"""The page of a comparison: every arm with its numbers, and what was left out."""

import html
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import tables
from pipeline.analysis.candidate import CONSTANT, SINGLE
from pipeline.analysis.statistics.contrasts import contrasts
from pipeline.analysis.tables import FINISHED
from pipeline.studies.compare.answer import advice
from pipeline.studies.compare.comparison import REFERENCES, Comparison
from pipeline.studies.compare.page import answer, comparison_page, summary
from tests.analysis.made import drawn, evaluation, unpacked

ACCURACIES = {"equal": 0.7, "tuned": 0.72, "upgrad": 0.95, "<b>": 0.5, SINGLE: 0.71}
STEPS = {
    "upgrad": {"step_us": 130.0, "step_low_us": 110.0, "step_high_us": 150.0},
    "tuned": {"step_us": 130.0, "step_low_us": 121.0, "step_high_us": 150.0},
}
"""Of arms that take longer than 100 (90 to 120), the second one beyond doubt."""


def comparison(failed: dict[str, str] | None = None) -> Comparison:
    groups = {
        name: ("single" if name == SINGLE else "arm", {task: drawn(it, seed=n, source=task) for task in ("a", "b")})
        for n, (name, it) in enumerate(ACCURACIES.items())
    }
    found = evaluation(groups)  # type: ignore[arg-type]
    titles = [name for name in ACCURACIES if name != SINGLE] + ["single a", "single b"]
    chosen = {"training.learning_rate": 0.00123, "balancing.weights": {"a": 1.5, "b": 0.5}}
    arms = pd.DataFrame(
        [
            {"arm": it, "group": SINGLE if it.startswith("single") else it, "trials": 4, "diverged": int(it == "tuned"),
             "objective": 0.8, "winners_json": json.dumps([{"values": chosen, "objective": 0.8}] * 2),
             **STEPS.get(it, {"step_us": 100.0, "step_low_us": 90.0, "step_high_us": 120.0}), "memory_bytes": 2**20}
            for it in titles
        ]
    )  # fmt: skip
    trials = {"number": range(3), "validation/a/accuracy": [0.6, 0.7, 0.8], "validation/b/accuracy": [0.8, 0.7, np.nan]}
    return Comparison(
        "made", found, contrasts(found, REFERENCES), arms, failed or {}, pd.DataFrame(trials),
        {"training.learning_rate": '{"float": [0.1, 0.2]}'}, 20, 5,
        pd.DataFrame({"when": ["today"], "candidates": ["all"]}), ("headway compare made", "headway rerun abc"),
        {"commit": "0123456789abcdef", "processor": "<made>"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def page() -> str:
    return comparison_page(comparison())


def test_the_first_line_is_the_answer(page: str) -> None:
    found = comparison()
    first = answer(found).splitlines()[0]
    assert first.startswith("Whether sharing with tuned weights helps here is not known yet (+")
    assert "; it helps with upgrad, it hurts with <b>; upgrad beats equal weights" in first
    assert f'<p class="answer">{first}</p>' in html.unescape(page)
    assert advice(found) == (
        "It cannot be told yet whether a and b gain by sharing a network; choose the task weights by upgrad, which "
        "beats equal and tuned ones."
    )
    assert f"<h1>{advice(found)}</h1>" in page


def test_what_is_worse_and_what_was_left_out_is_said() -> None:
    said = answer(comparison({"famo": "it diverged"}))
    assert re.search(r"Worse than equal weights by more than noise: <b> \(-\d", said)
    assert "Left out: famo, because it diverged." in said
    assert "relative change in accuracy on test, with 5 replicates; each chose its settings by 4 trials of its" in said


def test_references_stand_beside_the_arms_and_a_constant_that_is_not_beaten_is_named() -> None:
    found = comparison()
    networks = {"equal": {task: drawn(0.6, seed=1, source=task) for task in ("a", "b")}}
    constant = {CONSTANT: {"a": drawn(0.9, 1, seed=9, source="a"), "b": drawn(0.2, 1, seed=9, source="b")}}
    its = replace(
        found.evaluation,
        references=tables.scores_table(constant),
        constants=pd.DataFrame([["a", "no"], ["b", "yes"]], columns=tables.CONSTANTS),
        constant_differences=tables.constant_differences_table(networks, constant),
    )
    found = replace(found, evaluation=its)
    said = answer(found)
    assert "On a no network beats always predicting 'no'." in said
    assert "always predicting 'yes'" not in said
    table = re.sub("<[^>]+>", " ", comparison_page(found).split('id="differences"')[0])
    level = 100 * float(its.references.query("task == 'a' and primary")["mean"].iloc[0])
    assert re.search(rf"constant\s+{level:.2f}", table)
    assert {row["task"] for row in summary(found)["references"]} == {"a", "b"}


def test_every_arm_is_there_against_every_reference_and_names_are_escaped(page: str) -> None:
    assert "<b></span>" not in page
    for title in ("Against single-task networks", "Against equal weights", "Against tuned weights"):
        assert page.count(f"<h3>{title}</h3>") == 1
    assert "<td>tuned</td>" in page
    assert "4 (1 diverged)" in page
    assert "<small>a 1.5</small><small>b 0.5</small>" in page
    assert "p &lt; 0.001" in page


def test_memory_and_time_of_the_single_task_networks_add_up(page: str) -> None:
    cells = [re.sub("<[^>]+>", "", it) for it in re.findall(r"<td>(.*?)</td>", page[page.index('id="cost"') :])]
    assert cells[cells.index("single-task") :][:5] == ["single-task", "200 (180 to 240)", "2.00", "2.00", "2.00"]


def test_a_step_is_called_neither_slower_nor_faster_where_the_spreads_overlap(page: str) -> None:
    cells = [re.sub("<[^>]+>", "", it) for it in re.findall(r"<td>(.*?)</td>", page[page.index('id="cost"') :])]
    assert cells[cells.index("equal") :][1:3] == ["100 (90 to 120)", "1.00"]
    assert cells[cells.index("upgrad") :][1:3] == ["130 (110 to 150)", ""]
    assert cells[cells.index("tuned") :][1:3] == ["130 (121 to 150)", "1.30"]


def test_the_frontier_shows_trials_and_every_arm(page: str) -> None:
    figures = json.loads(unpacked(page, "figures"))
    named = [{trace.get("name") for trace in figure["data"]} for figure in figures.values()]
    frontiers = [it for it in named if "Pareto front" in it]
    assert len(frontiers) == 2  # around the arms, and with the trials that lie outside
    assert all({"trials", "equal", "tuned", "upgrad", SINGLE} <= it for it in frontiers)


def test_no_two_arms_of_the_page_look_the_same(page: str) -> None:
    looks = set(re.findall(r'<path fill="(#\w+)" d="([^"]+)"/></svg>([^<]+)', page))
    assert {arm for *_, arm in looks} == {"equal", "tuned", "upgrad", "&lt;b&gt;", SINGLE}
    assert len(looks) == len({colour for colour, *_ in looks}) == len({drawn for _, drawn, _ in looks}) == 5


def test_what_makes_it_again_is_told(page: str) -> None:
    assert "headway compare made\nheadway rerun abc" in page
    assert "<td>commit</td><td>0123456789abcdef</td>" in page


def test_the_summary_is_plain_data() -> None:
    told = json.loads(json.dumps(summary(comparison({"famo": "it diverged"})), allow_nan=False))
    assert told["left_out"] == {"famo": "it diverged"}
    assert {row["candidate"] for row in told["test"]} == set(ACCURACIES)
    assert len(told["contrasts"]) == 3 * (4 + 3 + 3)
    assert (told["decision"], told["answer"]) == ("unknown", answer(comparison()).splitlines()[0])
    words = {(row["candidate"], row["against"]): row["decision"] for row in told["decisions"]}
    assert len(words) == 4 + 3
    assert words["upgrad", SINGLE] == words["upgrad", "equal"] == "helps"
    assert words["<b>", SINGLE] == "hurts"
    assert words["tuned", SINGLE] == told["decision"]


def test_p_values_of_the_decisions_are_corrected_for_all_arms() -> None:
    found = comparison()
    rows = found.contrasts.set_index(["candidate", "against", "task"])
    decided = found.decisions["tuned", SINGLE]
    assert decided.p == rows.loc[("tuned", SINGLE, "all"), "p_holm"]
    assert decided.p_tasks["a"] == rows.loc[("tuned", SINGLE, "a"), "p_holm"]


def test_one_replicate_makes_no_claim_and_an_unfinished_arm_none_of_itself() -> None:
    found = replace(comparison(), replicates=1)
    assert {it.lack for it in found.decisions.values()} == {"one_replicate"}
    assert answer(found).startswith("No claim is made on whether sharing helps here: of one replicate the luck of")
    rows = pd.DataFrame([["upgrad", "all", 0.2, 0.1, 1.0, True]], columns=FINISHED)
    found = comparison()
    found = replace(found, evaluation=replace(found.evaluation, finished=rows))
    assert found.decisions["upgrad", SINGLE].lack == "unfinished"
    assert found.decisions["tuned", SINGLE].word == "unknown"
    assert "Still improving when training ended was upgrad" in answer(found)
