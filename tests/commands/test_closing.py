"""The last lines of a command: what it found, and what comes next."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.commands.closing import following, found
from pipeline.commands.options import Request
from pipeline.config import load
from tests.conftest import REPOSITORY, Headway

DEBUG = load("debug", {}, REPOSITORY)
SMALL = ("--set", "training.epochs=1", "--set", "training.seeds=2")


def context(metrics: dict[str, float], done: tuple[str, ...] = ("prepare", "train default")) -> Any:
    """Of a command whose own run, or else that of its last step, has such metrics."""
    runs = {done[-1] if done == ("prepare",) else "parent": metrics}
    tracker = SimpleNamespace(get=lambda run: SimpleNamespace(data=SimpleNamespace(metrics=runs.get(run, {}))))
    steps = {title: SimpleNamespace(run_id=title) for title in done}
    return SimpleNamespace(tracker=tracker, parent="parent", done=steps, experiment=DEBUG)


def test_the_scores_of_each_candidate_are_a_line_in_the_order_of_the_tasks() -> None:
    told = context({
        "test/tuned/all/delta_m_percent": -3.8653, "test/tuned/parity/accuracy": 0.76323,
        "test/tuned/digit/accuracy": 0.5, "test/default/digit/accuracy": 0.25, "time": 3.0,
    })  # fmt: skip
    assert [*found(told)] == [
        "test: default: digit accuracy 0.25",
        "test: tuned: digit accuracy 0.5, parity accuracy 0.7632, delta-m -3.9 %",
    ]


def test_many_tasks_and_candidates_are_counted() -> None:
    scores = {f"test/c{candidate}/t{task}/accuracy": 0.5 for candidate in range(8) for task in range(9)}
    lines = [*found(context(scores))]
    assert len(lines) == 7
    assert lines[0].endswith("t5 accuracy 0.5, 3 more tasks")
    assert lines[-1] == "2 more candidates stand in the run"


def test_prepared_data_are_told_by_rows() -> None:
    rows = {"train/digit/rows": 1294.0, "test/digit/rows": 359.0, "validation/digit/rows": 144.0, "time": 1.0}
    assert [*found(context(rows, ("prepare",)))] == ["rows:   digit: 1,294 train, 144 validation, 359 test"]
    assert [*found(context({}))] == []


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("prepare", "headway train debug --set seed=3"),
        ("train", "headway tune debug --set seed=3"),
        ("tune", "headway evaluate debug --set seed=3"),
        ("evaluate", "headway report debug --set seed=3"),
        ("run", "headway open debug"),
        ("affinity", "headway open debug"),
    ],
)
def test_the_next_command_has_the_same_settings(name: str, after: str) -> None:
    assert following(name, Request("debug", {"seed": 3}, arm="equal"), DEBUG) == after


def test_what_searches_nothing_is_evaluated_next() -> None:
    fixed = load("debug", {"tuning": None}, REPOSITORY)
    assert following("train", Request("my file.yaml", {}), fixed) == "headway evaluate 'my file.yaml'"
    assert following("compare", Request("my file.yaml", {}), fixed) == "headway open 'my file.yaml'"


def test_steps_say_what_they_found_unless_they_are_to_be_quiet(project: Path, headway: Headway) -> None:
    first = headway("prepare", "debug", *SMALL)
    assert "rows:   digit: 1,294 train, 144 validation, 359 test\n" in first.out
    settings = "--set training.epochs=1 --set training.seeds=2"
    assert first.out.endswith(f"next:   headway train debug {settings}\n")
    trained = headway("train", "debug", *SMALL)
    assert "validation: default: digit accuracy 0." in trained.out
    assert trained.out.endswith(f"next:   headway tune debug {settings}\n")
    assert headway("train", "debug", *SMALL, "--quiet").out == ""
    assert headway("train", "debug", *SMALL, "--json").json["experiment"] == "debug"
