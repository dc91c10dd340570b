"""The page of grouped tasks: the proposal in its first line, and every grouping with what was expected and found."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.tables import FINISHED
from pipeline.studies.affinity.affinities import Affinities
from pipeline.studies.affinity.groupings import Grouping
from pipeline.studies.affinity.page import affinity_page, answer, summary
from pipeline.studies.affinity.result import AffinityResult
from tests.analysis.made import drawn, evaluation

TASKS = ["a", "b", "<c>"]
PAIR: Grouping = (("a", "b"), ("<c>",))
OTHER: Grouping = (("a",), ("b", "<c>"))
TOGETHER: Grouping = (tuple(TASKS),)
APART: Grouping = tuple((task,) for task in TASKS)
AFFINITY = np.array([[0.5, 0.2, -0.1], [0.1, 0.5, -0.2], [-0.1, -0.3, 0.5]])


def grouped(proposal: Grouping, good: float = 0.95) -> AffinityResult:
    accuracies = {"together": 0.7, "a + b | <c>": good, "a | b + <c>": 0.6, SINGLE: 0.71}
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
        pd.DataFrame({"when": ["today"], "candidates": ["all"]}), "headway affinity made",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("proposal", "good", "wanted"),
    [
        (PAIR, 0.95, "For at most 2 networks, a + b | <c> is proposed: as written, untuned, it is on test better than"),
        (PAIR, 0.5, "For at most 2 networks, a + b | <c> is proposed: as written, untuned, it is on test worse than"),
        (OTHER, 0.95, "a | b + <c> is proposed: as written, untuned, it is on test worse than one network for all"),
        (TOGETHER, 0.95, "one network for all tasks is proposed: as written, untuned, it is on test not told apart"),
        (
            APART,
            0.95,
            "a network for each task is proposed; as written, untuned, one network for all tasks is not",
        ),
    ],
)
def test_the_first_line_names_the_proposal_and_whether_it_held(proposal: Grouping, good: float, wanted: str) -> None:
    assert wanted in answer(grouped(proposal, good)).splitlines()[0]


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


def test_its_place_among_all_is_told() -> None:
    said = answer(grouped(OTHER))
    assert "Of 4 groupings that were trained it is number 4 on test; the first is a + b | <c>." in said
    assert "Of 4 groupings that were trained it is number 1 on test." in answer(grouped(PAIR))


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
    assert "<c>" not in page
    assert "http://" not in page.split("<script>")[0]
