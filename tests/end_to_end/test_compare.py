"""`headway compare`: from an experiment to an answer, and a second time from what is cached."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from markupsafe import escape

from pipeline.data import test_split
from pipeline.errors import Diverged
from pipeline.steps import step
from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import Result, call_headway, make_project

SMALL = ("debug", "--methods", "uncertainty,upgrad", "--seeds", "2", "--trials", "2")
ARMS = ["equal", "tuned", "random", "uncertainty", "upgrad", "single digit", "single parity"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project for this module, in which tests run in order and add to it."""
    with pytest.MonkeyPatch.context() as patch:
        yield make_project(tmp_path_factory.mktemp("compare") / "project", patch)


@pytest.fixture(scope="module")
def said(place: Path) -> Result:
    return call_headway("compare", *SMALL)


@pytest.fixture(scope="module")
def again(said: Result, place: Path) -> Result:
    return call_headway("compare", *SMALL, "--json")


def outputs(result: Result, step: str) -> Path:
    return Path(next(it["outputs"] for it in result.json["steps"] if it["step"] == step))


def test_the_budget_is_said_before_anything_is_trained(said: Result) -> None:
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("compare: 5 arms that share"))
    assert "2 single-task networks" in lines[at]
    assert "14 trials and 14 networks in all" in lines[at + 1]
    assert not any("arm" in line for line in lines[:at])
    assert re.search(r"sharing.*helps? here|Sharing.* here", said.out)


def test_a_second_time_answers_from_the_cache(again: Result, said: Result) -> None:
    steps = again.json["steps"]
    assert [it["step"] for it in steps] == [
        "prepare", *(f"{step} arm {arm}" for arm in ARMS for step in ("tune", "train")), "evaluate arms", "compare",
    ]  # fmt: skip
    assert all(it["cached"] for it in steps)
    assert again.json["answer"] in said.out


def test_every_arm_is_tested_once_and_all_of_them_together(again: Result, place: Path) -> None:
    runs = {run.info.run_name: run for run in Tracker(place, "debug").runs()}
    opened = [run for run in runs.values() if tags.TEST_OPENING in run.data.tags]
    assert [run.data.tags[tags.TEST_CANDIDATES] for run in opened] == [", ".join(ARMS)]
    assert runs["evaluate upgrad"].data.tags[tags.ARM] == "upgrad"
    assert {"test/digit/accuracy", "test/all/delta_m_percent"} <= set(runs["evaluate upgrad"].data.metrics)
    assert runs["tune arm upgrad"].data.params["tuning.trials"] == "2"
    assert runs["compare"].data.tags[tags.ANSWER].startswith(again.json["answer"])
    pipelines = [run for run in runs.values() if tags.COMMAND in run.data.tags]
    for run in (runs["compare"], *pipelines):
        assert run.data.tags[tags.DECISION] == again.json["decision"]
    assert {run.data.metrics["test/upgrad/digit/accuracy"] for run in pipelines} == {
        runs["evaluate upgrad"].data.metrics["test/digit/accuracy"]
    }


def test_the_outputs_hold_the_page_and_its_numbers(again: Result) -> None:
    folder = outputs(again, "compare")
    told = json.loads((folder / "comparison.json").read_text())
    assert told["answer"] == again.json["answer"]
    assert told["decisions"] == again.json["decisions"]
    words = {(row["candidate"], row["against"]): row["decision"] for row in told["decisions"]}
    assert words["tuned", "single-task"] == told["decision"] == again.json["decision"]
    assert [row["arm"] for row in told["arms"]] == ARMS
    assert all(row["memory_bytes"] > 0 and row["step_us"] > 0 for row in told["arms"])
    assert len(pd.read_csv(folder / "contrasts.csv")) == 3 * (5 + 4 + 4)
    page = (folder / "compare.html").read_text()
    assert escape(again.json["answer"]) in page
    assert all(f"<td>{fact}</td>" in page for fact in ("commit", "root seed", "libraries", "processor"))
    assert "headway compare debug" in page


def test_seeds_of_all_arms_are_paired_and_start_from_the_same_weights(again: Result) -> None:
    curves = {it: pd.read_parquet(outputs(again, f"train arm {it}") / "history.parquet") for it in ARMS}
    assert {tuple(it["slot"].unique()) for it in curves.values()} == {("seed/0", "seed/1")}


def test_an_arm_that_diverges_is_left_out_and_the_rest_goes_on(
    said: Result, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = step._answered

    def answered(context: Any, it: Any, wanted: Any) -> Any:
        if it.title in ("tune arm upgrad", "train arm single digit"):
            raise Diverged("all trials diverged")
        return before(context, it, wanted)

    monkeypatch.setattr(step, "_answered", answered)
    told = call_headway("compare", *SMALL)
    assert told.code == 0
    assert "upgrad: left out of the comparison, all trials diverged" in told.out
    assert "Whether sharing helps here is not known" in told.out
    answered = call_headway("compare", *SMALL, "--json")
    assert "Left out: upgrad" in (outputs(answered, "compare") / "answer.txt").read_text()
    scores = pd.read_csv(outputs(answered, "evaluate arms") / "scores.csv")
    assert set(scores["candidate"]) == {"equal", "tuned", "random", "uncertainty"}


def test_where_all_diverge_it_ends_in_one_line_and_leaves_test_closed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_split, "open_test_split", None)
    huge = (
        "tuning.space={training.learning_rate: {float: [1e30, 1e31]}}",
        "tuning.base={training.learning_rate: 1e30}",
    )
    settings = [word for it in huge for word in ("--set", it)]
    told = call_headway("compare", "debug", "--methods", "famo", "--trials", "2", "--seeds", "2", *settings)
    assert told.code == 1
    assert told.err.count("\n") == 1
    assert "compare: not one arm could be trained: replicate 0 of the study has no winner (1 diverged)" in told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--methods", "upgrd"), "did you mean 'upgrad'?"),
        (("--methods", "krum"), "'krum' needs at least 3 tasks; found 2"),
        (("--seeds", "1"), "1 gives no interval"),
        (("--set", "model.sharing=separate"), "model.sharing=separate"),
    ],
)
def test_a_mistake_is_one_line_before_any_work(place: Path, words: tuple[str, str], told: str) -> None:
    ended = call_headway("compare", "debug", *words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert told in ended.err
