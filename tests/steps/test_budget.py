"""`--budget` plans a job that ends in time, and the plan is settings like any others."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.training import foreman
from pipeline.training.calibration import Speed
from tests.conftest import Headway


@pytest.fixture(autouse=True)
def calibrations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked to be calibrated, all of it to a second a step, on one quiet core."""
    found: list[Any] = []

    def made_up(prepared: object, slot: object, folder: Path, tell: object) -> Speed:
        found.append(slot)
        return Speed({1: 1.0})

    monkeypatch.setattr(foreman, "calibrate", made_up)
    monkeypatch.setattr(foreman, "cores", lambda: 1)
    monkeypatch.setattr(foreman, "load", lambda: 0.0)
    return found


def plan_in(project: Path) -> dict[str, float]:
    files = list((project / ".headway" / "calibration").glob("budget-*.json"))
    assert len(files) == 1
    plan: dict[str, float] = json.loads(files[0].read_text())
    return plan


def test_a_study_gets_as_many_trials_as_fit_and_the_next_time_is_cached(
    project: Path, headway: Headway, calibrations: list[Any]
) -> None:
    budget = "1000s"  # an epoch of a trial takes 23 s
    first = headway("tune", "debug", "--budget", budget)
    plan = plan_in(project)
    assert first.code == 0, first.err
    assert plan["training.epochs"] == 2
    assert plan["tuning.trials"] % 2 == 0
    assert 8 <= plan["tuning.trials"] < 40
    assert f"the same again: --set training.epochs=2 --set tuning.trials={plan['tuning.trials']}" in first.out
    seen = len(calibrations)
    second = headway("tune", "debug", "--budget", budget)
    assert "as planned before" in second.out
    assert "tune: cached" in second.out
    assert (len(calibrations), plan_in(project)) == (seen, plan)
    same = headway("tune", "debug", *(word for key, value in plan.items() for word in ("--set", f"{key}={value}")))
    assert "tune: cached" in same.out


def test_where_updates_are_counted_only_trials_are_planned(project: Path, headway: Headway) -> None:
    file = project / "experiments" / "debug.yaml"
    file.write_text(file.read_text().replace("epochs: 2", "updates: 40"))
    done = headway("tune", "debug", "--budget", "10m")  # a trial takes 46 s
    assert (done.code, done.err) == (0, "")
    plan = plan_in(project)
    assert "training.epochs" not in plan
    assert (plan["tuning.trials"], "the training of a trial 46 s" in done.out) == (12, True)


def test_the_plan_is_what_the_runs_log(project: Path, headway: Headway) -> None:
    import mlflow

    with (project / "experiments" / "digits.yaml").open("a") as file:
        file.write("training: {epochs: 20}\n")
    done = headway("train", "digits", "--budget", "1000s", "--json")
    assert done.code == 0, done.err
    epochs = plan_in(project)["training.epochs"]
    assert 2 <= epochs < 20
    for run_id in (done.json["run_id"], done.json["steps"][-1]["run_id"]):
        assert mlflow.MlflowClient().get_run(run_id).data.params["training.epochs"] == str(epochs)


def test_the_whole_job_counts_every_candidate(project: Path, headway: Headway, calibrations: list[Any]) -> None:
    short = headway("run", "debug", "--budget", "1s")
    assert (short.code, len(short.err.splitlines())) == (2, 1)
    assert "--budget 1s is too short for debug: 2 epochs and 4 trials would take about" in short.err
    assert len(calibrations) == 5  # the default, two single tasks, the winner, and a trial


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["prepare", "debug", "--budget", "10m"], "prepare trains nothing"),
        (["run", "debug", "--budget", "soon"], "--budget soon"),
        (["run", "debug", "--budget", "0"], "--budget 0"),
        (["run", "debug", "--budget", "-5"], "--budget -5"),
        (["run", "debug", "--budget", "[1]"], "--budget [1]"),
        (["run", "debug", "--budget", "10m", "--trials", "9"], "tuning.trials"),
        (["run", "debug", "--budget", "10m", "--set", "training.epochs=3"], "training.epochs"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], expected: str, project: Path, headway: Headway
) -> None:
    ended = headway(*arguments)
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert expected in ended.err
