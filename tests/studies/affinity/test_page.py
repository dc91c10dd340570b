"""The page of grouped tasks: the proposal in its first line, and every grouping with what was expected and found."""

from dataclasses import replace
from html import escape

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.tables import FINISHED
from pipeline.studies.affinity.affinities import Affinities
from pipeline.studies.affinity.answer import advice, answer
from pipeline.studies.affinity.groupings import Grouping
from pipeline.studies.affinity.page import affinity_page, summary
from pipeline.studies.affinity.result import AffinityResult
from tests.analysis.made import drawn, evaluation

TASKS = ["a", "b", "<c>"]
PAIR: Grouping = (("a", "b"), ("<c>",))
OTHER: Grouping = (("a",), ("b", "<c>"))
TOGETHER: Grouping = (tuple(TASKS),)
APART: Grouping = tuple((task,) for task in TASKS)
AFFINITY = np.array([[0.5, 0.2, -0.1], [0.1, 0.5, -0.2], [-0.1, -0.3, 0.5]])


def grouped(proposal: Grouping, good: float = 0.95, together: float = 0.7, single: float = 0.71) -> AffinityResult:
    accuracies = {"together": together, "a + b | <c>": good, "a | b + <c>": 0.6, SINGLE: single}
    groups = {
        name: ("single" if name == SINGLE else "group", {task: drawn(it, seed=n, source=task) for task in TASKS})
        for n, (name, it) in enumerate(accuracies.items())
    }
    history = pd.DataFrame(
        [
            {"slot": f"seed/{seed}", "epoch": epoch, "train/a/affinity_b": 0.1 * epoch, "train/a/cosine_b": 0.2}
            for seed in range(2)
            for epoch in (1, 2)
        ]
    )
    return AffinityResult(
        "made", Affinities(TASKS, np.stack([AFFINITY] * 2), np.stack([AFFINITY + AFFINITY.T] * 2)), history,
        evaluation(groups), proposal, [PAIR, OTHER], 2, 5,  # type: ignore[arg-type]
        pd.DataFrame({"when": ["today"], "candidates": ["all"]}), ("headway affinity made", "headway rerun abc"),
        {"commit": "0123456789abcdef", "processor": "<made>"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("levels", "advised", "short", "long"),
    [
        (
            (0.95, 0.7, 0.71), PAIR,
            "Train 2 networks, one for a and b, one for <c>: they do better than one network for all tasks or a "
            "network for each task.",
            "Train 2 networks, one for a and b, one for <c>: as written, untuned, this is on test better than one "
            "network for all tasks (+",
        ),
        (
            (0.5, 0.9, 0.7), TOGETHER,
            "Train one network for a, b and <c> together: it does better than a network for each, and no grouping does "
            "clearly better still.",
            "Train one network for all tasks: as written, untuned, this is on test better than a network for "
            "each task (+",
        ),
        (
            (0.7, 0.7, 0.9), APART,
            "Train a network for each of a, b and <c>: one network for all does worse, and no grouping does better.",
            "Train a network for each task: as written, untuned, one network for all tasks is on test worse than a "
            "network for each task (-",
        ),
        (
            (0.5, 0.7, 0.71), None,
            "It is not settled which of a, b and <c> should share a network: what 5 seeds of each way show may be "
            "noise. One network for all costs least.",
            "Which tasks should share a network is not known yet: as written, untuned, one network for all tasks is on "
            "test not told apart from a network for each task (",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("proposal", [PAIR, OTHER, TOGETHER, APART])
def test_it_begins_with_what_to_train_by_the_test_results_whatever_was_proposed(
    proposal: Grouping, levels: tuple[float, float, float], advised: Grouping | None, short: str, long: str
) -> None:
    found = grouped(proposal, *levels)
    assert (found.advised, advice(found)) == (advised, short)
    assert answer(found).startswith(long)
    assert summary(found)["advised"] == (advised and [list(group) for group in advised])
    assert f"<h1>{escape(short)}</h1>" in affinity_page(found)


def test_where_nothing_differs_one_network_is_enough() -> None:
    found = replace(grouped(PAIR, 0.7, 0.7, 0.7), margin=0.2)
    assert found.sharing.word == "no_difference"
    assert found.advised == TOGETHER
    assert advice(found).endswith("to train them apart makes no difference that matters, and one network costs least.")


def test_a_grouping_that_is_not_told_apart_from_one_network_leaves_that() -> None:
    found = grouped(PAIR, 0.905, 0.9, 0.7)
    assert found.verdict("a + b | <c>", SINGLE) == "better"
    assert found.verdict("a + b | <c>", "together") == "unclear"
    assert found.groupings["candidate"][0] == "a + b | <c>"
    assert found.advised == TOGETHER


def test_what_beats_single_tasks_is_advised_though_one_network_may_do_as_well() -> None:
    found = grouped(PAIR, 0.74, 0.725, 0.7)
    assert found.verdict("together", SINGLE) == "unclear"
    assert (found.verdict("a + b | <c>", SINGLE), found.verdict("a + b | <c>", "together")) == ("better", "unclear")
    assert found.advised == PAIR
    assert advice(found).endswith("they do better than a network for each task.")


@pytest.mark.parametrize(
    ("proposal", "good", "wanted"),
    [
        (PAIR, 0.95, "For at most 2 networks affinity proposed a + b | <c>, which is advised."),
        (
            PAIR,
            0.5,
            "For at most 2 networks affinity proposed a + b | <c>: on test worse than one network for all tasks",
        ),
        (OTHER, 0.95, "affinity proposed a | b + <c>: on test worse than one network for all tasks ("),
        (TOGETHER, 0.95, "affinity proposed one network for all tasks: on test not told apart from a network for each"),
        (APART, 0.95, "affinity proposed a network for each task; one network for all tasks is on test not told apart"),
    ],
)
def test_the_proposal_and_whether_it_held_are_told_behind(proposal: Grouping, good: float, wanted: str) -> None:
    first, *others = answer(grouped(proposal, good)).splitlines()
    assert "proposed" not in first
    assert any(wanted in line for line in others)


@pytest.mark.parametrize(
    ("proposal", "good", "word"), [(PAIR, 0.95, "helps"), (OTHER, 0.95, "hurts"), (APART, 0.95, "unknown")]
)
def test_the_decision_is_that_of_the_proposal_against_single_task_networks(
    proposal: Grouping, good: float, word: str
) -> None:
    assert summary(grouped(proposal, good))["decision"] == word


def test_networks_that_were_still_improving_are_named_and_nothing_is_claimed() -> None:
    rows = pd.DataFrame([[SINGLE, "a", 0.2, 0.1, 1.0, True]], columns=FINISHED)
    found = grouped(PAIR)
    found = replace(found, evaluation=replace(found.evaluation, finished=rows))
    assert (found.decision.word, found.decision.lack) == ("no_claim", "unfinished")
    assert "Still improving when training ended was single a" in answer(found)
    assert found.advised is None
    assert "should share a network: training ended while it still brought something." in advice(found)
    assert "; single a was still improving when training ended." in answer(found).splitlines()[0]


def test_its_place_among_all_is_told() -> None:
    said = answer(grouped(OTHER))
    assert "Of 4 groupings that were trained the proposal is number 4 on test; the first is a + b | <c>." in said
    assert "Of 4 groupings that were trained the proposal is number 1 on test." in answer(grouped(PAIR))


def test_expected_and_found_stand_side_by_side() -> None:
    found = grouped(PAIR)
    assert found.metrics()["train/a/affinity_b"] == pytest.approx(0.2)
    values = found.groupings.set_index("candidate")["expected"]
    assert values["a + b | <c>"] == pytest.approx((0.1 + 0.2) / 3)
    assert values["a | b + <c>"] == pytest.approx((-0.3 - 0.2) / 3)
    assert values[SINGLE] == 0.0
    gains = found.gains.set_index(["network", "task"])
    assert gains.loc[("a + b", "a"), "expected"] == pytest.approx(0.1)
    assert gains.loc[("a + b", "a"), "found"] > 20.0 > 0.0 > gains.loc[("b + <c>", "b"), "found"]
    assert len(gains) == 3 + 2 + 2
    assert 0.0 < found.agreement <= 1.0
    assert f"rank correlation of {found.agreement:+.2f} (7 pairs" in answer(found)


def test_the_summary_is_plain_data() -> None:
    told = summary(grouped(PAIR))
    assert told["proposal"] == [["a", "b"], ["<c>"]]
    assert {row["candidate"] for row in told["groupings"]} == {"together", "a + b | <c>", "a | b + <c>", SINGLE}


def test_the_page_shows_all_of_it_and_names_are_escaped() -> None:
    page = affinity_page(grouped(PAIR))
    for part in ("What the tasks are to one another", "The groupings", "Is it more than noise?", "How it was done"):
        assert part in page
    assert "(proposed)" in page
    assert "headway affinity made\nheadway rerun abc" in page
    assert "<td>processor</td><td>&lt;made&gt;</td>" in page
    assert "<c>" not in page
    assert "http://" not in page.split("<script>")[0]
