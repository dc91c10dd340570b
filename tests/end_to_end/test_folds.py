"""The whole job under cross-validation: drawn folds, and folds of a table that are chained in time."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.data.prepared import open_prepared
from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import Headway, Result, call_headway, make_project

FOLDS = ("--set", "training.folds=3", "--set", "data.validation=0", "--set", "training.seeds=4")
OBJECTIVE = "validation/all/objective"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project in which the job ran once. Tests here run in order and add to it."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(tmp_path_factory.mktemp("folds") / "project", patch)
        yield project, call_headway("run", "debug", *FOLDS, "--json")


def runs(project: Path, name: str = "debug") -> dict[str, Any]:
    return {run.info.run_name: run for run in Tracker(project, name).runs()}


def test_trials_and_the_study_tell_their_standard_errors(finished: tuple[Path, Result]) -> None:
    project, result = finished
    assert (result.code, result.err) == (0, "")
    found = runs(project)
    for number in range(4):
        assert found[f"trial {number}"].data.metrics[f"best/{OBJECTIVE}_se"] > 0.0
    outputs = {step["step"]: Path(step["outputs"]) for step in result.json["steps"]}
    winners = json.loads((outputs["tune"] / "winners.json").read_text())["winners"]
    assert found["tune"].data.metrics[f"best/{OBJECTIVE}_se"] == fmean(it["standard_error"] for it in winners)
    told = max(winners, key=lambda it: it["objective"])
    trials = pd.read_parquet(outputs["tune"] / "trials.parquet")
    assert trials[f"{OBJECTIVE}_se"].notna().all()
    page = (outputs["report"] / "report.html").read_text()
    assert f"{told['objective']:.4f} for the best trial, with a standard error of {told['standard_error']:.4f}" in page


def test_every_seed_is_validated_on_rows_that_it_has_not_seen(finished: tuple[Path, Result]) -> None:
    project, result = finished
    found = runs(project)
    assert {f"best/validation/digit/accuracy{it}" for it in ("", "_ci_low")} <= set(found["train default"].data.metrics)
    assert found["select"].data.tags[tags.GATE] == "champion: there was no champion before"
    assert {"digit", "parity"} == {it.split("/")[1] for it in found["evaluate tuned"].data.metrics} - {"all"}
    gaps = pd.read_csv(
        next(Path(it["outputs"]) for it in result.json["steps"] if it["step"] == "evaluate") / "gaps.csv"
    )
    curves = found["train default"].data.metrics
    default = gaps[gaps["candidate"] == "default"].set_index("task")
    assert default.loc["digit", "validation"] == pytest.approx(curves["validation/digit/accuracy"])


def test_everything_is_rebuilt_bit_for_bit(finished: tuple[Path, Result]) -> None:
    project, result = finished
    rebuilt = call_headway("rerun", result.json["run_id"], "--json")
    assert rebuilt.code == 0, rebuilt
    assert {verdict["answer"] for verdict in rebuilt.json} == {"bitwise equal"}
    for number in range(4):  # pruned ones too
        assert "bitwise equal" in call_headway("rerun", runs(project)[f"trial {number}"].info.run_id).out


def test_the_data_are_shown_with_their_folds(finished: tuple[Path, Result]) -> None:
    line = call_headway("show", "debug", *FOLDS, "--data").out.splitlines()[0]
    assert line == "digits: rows of 8 x 8 divided by 16; 1,438 train, 359 test; 3 folds of 479 rows or more"
    told = call_headway("show", "debug", *FOLDS, "--data", "--json").json
    assert sum(told["sources"]["digits"]["folds"]) == told["sources"]["digits"]["rows"]["train"] == 1438


def test_another_winner_is_held_against_the_champion_on_the_fold_that_both_held_out(
    finished: tuple[Path, Result],
) -> None:
    project, _ = finished
    worse = call_headway(
        "run", "debug", *FOLDS, "--set", "tuning.space={training.learning_rate: {float: [1e-7, 1e-6]}}"
    )
    assert worse.code == 0, worse
    chosen = [run for run in Tracker(project, "debug").runs() if run.info.run_name == "select"]
    assert sorted(run.data.tags[tags.GATE].split(":")[0] for run in chosen) == ["challenger", "champion"]


def test_more_folds_are_another_study_and_other_data(finished: tuple[Path, Result]) -> None:
    told = call_headway("tune", "debug", *FOLDS, "--set", "training.folds=2")
    assert told.code == 0, told
    assert "training.folds 3 -> 2" in told.out


@pytest.fixture
def table(project: Path) -> Path:
    """Visits of two hundred days, whose value follows from two columns; some are missing."""
    draws = np.random.default_rng(0)
    rows = 600
    x, y = draws.normal(size=(2, rows))
    value = np.where(draws.random(rows) < 0.1, np.nan, x - y)
    days = pd.to_datetime("2024-01-01") + pd.to_timedelta(draws.integers(0, 200, rows), unit="D")
    names = draws.choice(["a", "b", "c"], rows)
    frame = pd.DataFrame({"x": x, "y": y, "place": names, "value": value, "high": x > 0.2, "day": days.date})
    frame.assign(who=draws.integers(0, 50, rows), part=draws.choice(["train", "val", "test"], rows)).to_csv(
        project / "visits.csv", index=False
    )
    return project


def described(project: Path, by: dict[str, str]) -> str:
    source = {"kind": "table", "path": "visits.csv", **by,
              "inputs": {"x": "numeric", "y": "numeric", "place": "categorical"}}  # fmt: skip
    tree = {
        "tasks": {"value": {"kind": "regression", "source": "visits"}, "high": {"kind": "binary", "source": "visits"}},
        "sources": {"visits": source},
        "data": {"test": 0.2},
        "model": {"trunk": {"widths": [8]}},
        "training": {
            "folds": 3,
            "seeds": 2,
            "epochs": 6,
            "batch_size": 16,
            "learning_rate": 0.01,
            "schedule": "constant",
        },
        "tuning": {"trials": 2, "batch": 2, "space": {"training.learning_rate": {"float": [0.01, 0.02]}}},
        "baselines": {"single": False},
    }
    (project / "experiments" / "visits.yaml").write_text(yaml.safe_dump(tree))
    return "visits"


def test_a_table_is_cross_validated_forward_in_time(table: Path, headway: Headway) -> None:
    told = headway("run", described(table, {"time": "day"}), "--json")
    assert told.code == 0, told
    (folder,) = (path for path in (table / ".headway" / "prepared").iterdir() if path.is_dir())
    data = open_prepared(folder)
    assert data.chained
    assert len(data.sources["visits"].folds) == 3
    found = runs(table, "visits")
    assert found["trial 0"].data.metrics[f"best/{OBJECTIVE}_se"] > 0.0
    assert found["evaluate tuned"].data.metrics["test/value/r2"] > 0.2


def test_a_table_that_says_what_validates_is_not_folded(table: Path, headway: Headway) -> None:
    told = headway("tune", described(table, {"split": "part"}))
    assert told.code == 2
    assert told.err.strip().count("\n") == 0
    assert "training.folds=3: source 'visits' says itself which rows are validation" in told.err


def test_folds_are_no_matter_of_search(project: Path, headway: Headway) -> None:
    told = headway("tune", "debug", "--set", "tuning.space={training.folds: {int: [2, 4]}}")
    assert told.code == 2
    assert "'training.folds' cannot be searched" in told.err
