"""How many trials there are: as many as `--budget` has room for, or six a replicate if the job is not too long."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config import load
from pipeline.data.prepare import prepare
from pipeline.data.sources import Place
from pipeline.steps import budget
from pipeline.steps.candidates import Arm, winners
from pipeline.steps.settling import settled
from pipeline.training.workers import scheduler
from pipeline.training.workers.calibration import Speed
from tests.conftest import Headway
from tests.steps.made import Made


@pytest.fixture(autouse=True)
def calibrations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked to be calibrated, all of it to a second a step, on one quiet core."""
    found: list[Any] = []

    def made_up(prepared: object, slot: object, folder: Path, tell: object) -> Speed:
        found.append(slot)
        return Speed({1: 1.0})

    monkeypatch.setattr(scheduler, "calibrate", made_up)
    monkeypatch.setattr(scheduler, "cores", lambda: 1)
    monkeypatch.setattr(scheduler, "load", lambda: 0.0)
    return found


def plan_in(project: Path) -> int:
    (file,) = (project / ".headway" / "plans").glob("*.json")
    found: int = json.loads(file.read_text())["trials_a_replicate"]
    return found


AUTO = ("--set", "tuning.trials=auto")


def test_a_study_gets_as_many_trials_as_fit_and_the_next_time_is_cached(
    project: Path, headway: Headway, calibrations: list[Any]
) -> None:
    asked = ("tune", "debug", "--budget", "5000s")  # a network takes 46 s or so, of three arms
    first = headway(*asked)
    assert first.code == 0, first.err
    trials = 2 * plan_in(project)
    assert 6 <= trials < 60
    assert f"(--set tuning.trials={trials} repeats it)" in first.out
    seen = len(calibrations)
    second = headway(*asked)
    assert f"{trials} trials an arm, as planned before (--set tuning.trials={trials})" in second.out
    assert "tune: cached" in second.out
    assert len(calibrations) == seen
    same = headway("tune", "debug", "--trials", str(trials))
    assert "tune: cached" in same.out


def test_auto_gives_six_trials_a_replicate_to_a_short_job_without_measuring(
    project: Path, headway: Headway, calibrations: list[Any]
) -> None:
    done = headway("tune", "debug", *AUTO)
    assert "12 trials an arm, 6 a replicate (--set tuning.trials=12 repeats it)" in done.out
    assert calibrations == []


def test_auto_gives_fewer_to_a_long_job_but_three_at_least(
    project: Path, headway: Headway, calibrations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "LONG_S", 1.0)
    done = headway("tune", "debug", *AUTO)
    assert "6 trials an arm, 3 a replicate, about " in done.out
    assert calibrations
    monkeypatch.setattr(budget, "LONG_S", 1e9)  # whatever the machine is like then, the plan is kept
    assert "6 trials an arm, as planned before" in headway("tune", "debug", *AUTO).out


def test_a_number_that_is_said_is_no_plan(project: Path, headway: Headway) -> None:
    assert "trials an arm" not in headway("tune", "debug").out
    assert not (project / ".headway" / "plans").exists()


def test_the_plan_is_what_the_runs_log(project: Path, headway: Headway) -> None:
    import mlflow

    done = headway("tune", "debug", "--json", *AUTO)
    assert done.code == 0, done.err
    for run_id in (done.json["run_id"], done.json["steps"][-1]["run_id"]):
        assert mlflow.MlflowClient().get_run(run_id).data.params["tuning.trials"] == "12"


def test_a_budget_that_no_study_fits_into_is_refused_in_one_line(project: Path, headway: Headway) -> None:
    short = headway("run", "debug", "--budget", "1s")
    assert (short.code, len(short.err.splitlines())) == (2, 1)
    assert "--budget 1s is too short for debug: one trial a replicate, trained to its end, would take" in short.err


@pytest.mark.parametrize("measured", [False, True], ids=["at most", "measured"])
@pytest.mark.parametrize(
    ("values", "updates"),
    [
        ({"data.test": 0.2}, 288),  # of 400 rows 80 are test, and of the others a tenth is validation
        ({"data.test": {"folds": 5, "repeats": 2}}, 288),
        ({"data.test": {"folds": 5, "repeats": 2}, "training.folds": 4}, 4 * 240),
    ],
    ids=["one split", "outer folds", "folds in them"],
)
def test_a_trial_costs_as_many_updates_as_its_network_has_rows_to_learn_from(
    values: dict[str, Any], updates: int, measured: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = np.random.default_rng(0).normal(size=400)
    pd.DataFrame({"x": numbers, "a": numbers + 1.0}).to_csv(tmp_path / "sold.csv", index=False)
    sources = {"sold": {"kind": "table", "path": "sold.csv", "inputs": {"x": "numeric"}}}
    tree = {"tasks": {"a": {"kind": "regression", "source": "sold"}}, "sources": sources}
    (tmp_path / "sold.yaml").write_text(json.dumps(tree))
    experiment = settled(load(str(tmp_path / "sold.yaml"), values, tmp_path), 10, "so many")
    (arrays := tmp_path / "arrays").mkdir()
    prepare(experiment, Place("sold", tmp_path, None, tmp_path, tmp_path), arrays, lambda _: None)
    monkeypatch.setattr(budget, "perform", lambda *_: SimpleNamespace(folder=arrays))
    context: Any = SimpleNamespace(scheduler=scheduler.Scheduler(tmp_path))
    cost = budget._Cost(context, [winners(Arm("tuned", experiment), Made("prepared", arrays), "cpu")])
    if measured:
        cost.measure()
    step_s = 1.0 if measured else budget._SLOW_STEP_S
    a_replicate = budget._MARGIN * updates * step_s + budget._TRIAL_S
    replicates = 10 if values["data.test"] == 0.2 else 11  # the champion is one more
    assert cost.seconds(2) - cost.seconds(1) == pytest.approx(replicates * a_replicate)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["prepare", "debug", "--budget", "10m"], "no option '--budget'"),
        (["evaluate", "debug", "--budget", "10m", "--set", "tuning=null"], "evaluate of debug runs none"),
        (["run", "debug", "--budget", "10m", "--set", "tuning=null"], "run of debug runs none"),
        (["run", "debug", "--budget", "soon"], "--budget soon"),
        (["run", "debug", "--budget", "0"], "--budget 0"),
        (["run", "debug", "--budget", "-5"], "--budget -5"),
        (["run", "debug", "--budget", "[1]"], "--budget [1]"),
        (["run", "debug", "--budget", "10m", "--trials", "8"], "tuning.trials"),
        (["tune", "debug", "--arm", "other"], "--arm other"),
        (["tune", "debug", "--trials", "9"], "cannot be dealt out to 2 replicates evenly: give a multiple of 2"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], expected: str, project: Path, headway: Headway
) -> None:
    ended = headway(*arguments)
    assert (ended.code, len(ended.err.splitlines())) == (2, 1), ended.err
    assert expected in ended.err
