"""`headway affinity`: from an experiment to groups that were trained, and a second time from what is cached."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from markupsafe import escape

from pipeline.data import test_split
from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import Result, call_headway, make_project

SMALL = ("digits", "--set", "training.seeds=2", "--set", "training.epochs=2", "--set", "affinity.every=4")
TRAINED = ["together", "single digit", "single parity", "single at_least_five", "group digit and parity",
           "group digit and at_least_five", "group parity and at_least_five"]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project for this module, in which tests run in order and add to it."""
    with pytest.MonkeyPatch.context() as patch:
        yield make_project(tmp_path_factory.mktemp("affinity") / "project", patch)


@pytest.fixture(scope="module")
def said(place: Path) -> Result:
    return call_headway("affinity", *SMALL)


@pytest.fixture(scope="module")
def again(said: Result, place: Path) -> Result:
    return call_headway("affinity", *SMALL, "--json")


def _folder(result: Result, step: str) -> Path:
    return Path(next(it["outputs"] for it in result.json["steps"] if it["step"] == step))


def test_every_group_is_trained_and_test_opened_once(said: Result, place: Path) -> None:
    assert said.code == 0, said.err
    budget = "affinity: one network of all 3 tasks, 3 of one task each, and at most 3 of groups, each with 2 seeds, "
    assert re.search(budget + r"at most about \d+ s of training here; then test is opened once", said.out)
    answer = said.out.splitlines()[-4]
    assert answer.startswith(("Train ", "Which tasks should share a network is not known yet: "))
    assert answer.endswith(".")
    tracker = Tracker(place, "digits")
    runs = list(tracker.runs())
    openings = [run for run in runs if tags.TEST_OPENING in run.data.tags]
    assert [run.data.tags[tags.TEST_OPENING] for run in openings] == ["1"]
    told = {run.info.run_name: run.data.metrics for run in runs}
    assert "test/all/delta_m_percent" in told["evaluate together"]
    assert "train/digit/affinity_parity" in told["affinity"]
    assert {f"train {name}".replace("train together", "train group together") for name in TRAINED} <= set(told)


def test_outputs_hold_together(again: Result) -> None:
    folder = _folder(again, "affinity")
    summary: dict[str, Any] = json.loads((folder / "affinity.json").read_text())
    groupings = pd.read_csv(folder / "groupings.csv")
    named = {" | ".join(" + ".join(group) for group in summary["proposal"]), "together", "single-task"}
    (proposed,) = groupings[groupings["proposed"]]["candidate"]
    assert proposed in named
    # Of three tasks there are five groupings, of which a network for each is no grouping into two.
    assert len(groupings) == 5
    assert list(groupings["delta_m"]) == sorted(groupings["delta_m"], reverse=True)
    gains = pd.DataFrame(summary["gains"])
    assert len(gains) == 3 + 3 * 2
    scores = pd.read_csv(_folder(again, "evaluate groups") / "scores.csv").set_index(["candidate", "task", "metric"])
    gain = gains.set_index(["network", "task"]).loc[("digit + parity", "digit")]
    own, alone = (
        scores.loc[(name, "digit", "accuracy"), "mean"] for name in ("digit + parity | at_least_five", "single-task")
    )
    assert gain["found"] == pytest.approx(100 * (own - alone) / alone)
    page = (folder / "affinity.html").read_text()
    assert escape(summary["answer"]) in page
    assert again.json["decision"] == summary["decision"]
    assert page.count("<h2>") == 5
    assert all(f"<td>{fact}</td>" in page for fact in ("commit", "root seed", "libraries", "processor"))
    assert "headway affinity digits" in page


def test_a_task_by_itself_in_a_grouping_is_the_single_task_network(again: Result) -> None:
    seeds = pd.read_csv(_folder(again, "evaluate groups") / "seeds.csv")
    rows = seeds[seeds["task"] == "at_least_five"].set_index("candidate")["value"]
    assert list(rows.loc["digit + parity | at_least_five"]) == list(rows.loc["single-task"])
    assert list(rows.loc["together"]) != list(rows.loc["single-task"])


def test_a_second_time_all_is_cached(again: Result) -> None:
    assert again.code == 0
    assert all(step["cached"] for step in again.json["steps"])


def test_into_one_network_and_with_too_many_to_check(said: Result, place: Path) -> None:
    one = call_headway("affinity", *SMALL, "--networks", "1", "--json")
    assert one.code == 0, one.err
    told = (_folder(one, "affinity") / "answer.txt").read_text()
    assert "For at most 1 network affinity proposed one network for all tasks" in told
    few = call_headway("affinity", *SMALL, "--set", "affinity.check=2", "--json")
    assert few.code == 0, few.err
    groupings = pd.read_csv(_folder(few, "affinity") / "groupings.csv")
    # The proposal, the one of which least is expected, all together and all apart.
    expected = list(groupings.sort_values("expected")["candidate"])
    assert len(groupings) in (3, 4)
    assert expected[0] not in ("together",)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("--set", "model.sharing=separate"), "affinity: model.sharing=separate shares no layers"),
        (("--set", "model.trunk.widths=[]"), "affinity: training.watch reads gradients on layers that the tasks share"),
        (("--set", "training.seeds=1"), "affinity: training.seeds=1 gives no interval"),
        (("--networks", "0"), "affinity.networks"),
        (("--set", "balancing.method=krum"), "affinity: a network of digit and parity alone: balancing.method 'krum'"),
    ],
)
def test_bad_input_gets_one_line(args: tuple[str, ...], line: str, said: Result, place: Path) -> None:
    result = call_headway("affinity", *SMALL, *args)
    assert result.code != 0
    assert line in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_one_task_has_no_groups(place: Path, said: Result) -> None:
    (place / "experiments" / "one.yaml").write_text(
        "name: one\ndata: {test: 0.2}\ntasks: {digit: {kind: multiclass, source: digits}}\n"
        "model: {trunk: {widths: [8]}}\n"
    )
    result = call_headway("affinity", "one")
    assert result.code != 0
    assert "affinity: one has one task, so there is nothing to group" in result.err


def test_the_test_split_is_read_by_evaluate_alone(said: Result, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_split, "open_test_split", lambda _: pytest.fail("opened"))
    result = call_headway("affinity", *SMALL, "--force", "affinity")
    assert result.code == 0, result.err
