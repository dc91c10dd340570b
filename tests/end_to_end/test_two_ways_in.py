"""`mlflow run` and `headway run` share one store; what is deleted there is made again; the project may be moved."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import Result, call_headway, go, make_project

EXPERIMENT = """
sources:
  rows: {kind: table, path: rows.csv, inputs: {x: numeric, y: numeric}}
tasks:
  above: {kind: binary, source: rows}
model: {trunk: {kind: tabular, widths: [4], dropout: 0.0}}
training: {epochs: 1, seeds: 1}
data: {test: 0.2}
tuning: null
baselines: {single: false, reference: false}
"""
GONE = "select: its version of the model small is gone: registering it again"
CHAMPION = "models:/small@champion"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the job ran once. Tests here run in order and add to it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = make_project(tmp_path_factory.mktemp("ways") / "project", patch)
        values = [(number * 37 % 101) / 50 - 1 for number in range(200)]
        table = pd.DataFrame({"x": values, "y": values[::-1], "above": [it > 0 for it in values]})
        table.to_csv(folder / "rows.csv", index=False)
        (folder / "experiments" / "small.yaml").write_text(f"name: small{EXPERIMENT}")
        first = call_headway("run", "small", "--json")
        assert (first.code, first.err, first.json["model"]) == (0, "", CHAMPION)
    return folder


@pytest.fixture(autouse=True)
def _there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(project, monkeypatch)


def all_cached(result: Result) -> bool:
    assert (result.code, result.err) == (0, "")
    return all(step["cached"] for step in result.json["steps"])


def predicted(project: Path) -> pd.DataFrame:
    told = call_headway("predict", "--model", CHAMPION, "--input", "rows.csv", "--output", "out.csv")
    assert told.code == 0, told.err
    return pd.read_csv(project / "out.csv")


def test_a_launcher_in_another_experiment_finds_the_steps_and_leaves_them_valid(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Tracker(project, None).client
    launcher = client.create_run("0").info.run_id  # as `mlflow run .` without an experiment's name
    monkeypatch.setenv("MLFLOW_RUN_ID", launcher)
    monkeypatch.setattr("pipeline.commands.execute.end_with_parent", lambda *_: True)
    told = call_headway("run", "small", "--json")
    assert all_cached(told)
    assert (told.json["run_id"], told.json["model"]) == (launcher, CHAMPION)
    assert all_cached(call_headway("run", "small", "--json"))
    openings = [run for run in Tracker(project, None).runs() if tags.TEST_OPENING in run.data.tags]
    assert len(openings) == 1


def test_outputs_that_a_run_in_another_experiment_replaced_are_answered_by_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", Tracker(project, None).client.create_run("0").info.run_id)
    monkeypatch.setattr("pipeline.commands.execute.end_with_parent", lambda *_: True)
    assert call_headway("train", "small", "--force", "train").code == 0
    assert all_cached(call_headway("train", "small", "--json"))


def test_the_model_is_the_champion_whatever_registered_it(project: Path) -> None:
    told = call_headway("run", "small", "--json", "--set", "seed=1")
    assert (told.code, told.json["model"]) == (0, CHAMPION)
    again = call_headway("run", "small", "--json", "--set", "data.validation=0")
    assert (again.code, again.json["model"]) == (0, CHAMPION)


@pytest.mark.parametrize("lost", ["the model", "its versions", "its files"])
def test_what_was_deleted_from_the_registry_is_registered_again_and_said(lost: str, project: Path) -> None:
    before = predicted(project)
    client = Tracker(project, None).client
    if lost == "the model":
        client.delete_registered_model("small")
    elif lost == "its versions":
        for version in client.search_model_versions("name = 'small'"):
            client.delete_model_version("small", version.version)
    else:
        shutil.rmtree(project / "mlruns" / "models")
    told = call_headway("run", "small")
    assert (told.code, told.err) == (0, "")
    assert GONE in told.out.splitlines()
    assert f"model:  {CHAMPION} " in told.out
    pd.testing.assert_frame_equal(predicted(project), before)
    assert GONE not in call_headway("run", "small").out


def test_an_alias_that_was_moved_by_hand_stays(project: Path) -> None:
    client = Tracker(project, None).client
    client.delete_registered_model_alias("small", "champion")
    newest = max(client.search_model_versions("name = 'small'"), key=lambda it: int(it.version)).version
    assert call_headway("run", "small", "--json").json["model"] == f"models:/small/{newest}"
    client.set_registered_model_alias("small", "champion", newest)


def test_a_moved_project_answers_as_before_and_its_copy_is_its_own(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = predicted(project)
    now = project.rename(tmp_path / "moved")
    go(now, monkeypatch)
    told = call_headway("show", "small", "--json")
    assert "the project lay in" in told.err
    assert {step["status"] for step in told.json["steps"]} == {"cached"}
    pd.testing.assert_frame_equal(predicted(now), before)
    told = call_headway("run", "small", "--json")
    assert all_cached(told)
    assert told.json["model"] == CHAMPION
    assert Path(told.json["report"]).is_relative_to(now)
    assert not project.exists()
    held = {path: path.stat().st_mtime_ns for path in now.rglob("*") if not path.name.startswith("mlflow.db-")}
    go(shutil.copytree(now, tmp_path / "copy", symlinks=True), monkeypatch)
    assert call_headway("run", "small", "--force", "select").code == 0
    after = {path: path.stat().st_mtime_ns for path in now.rglob("*") if not path.name.startswith("mlflow.db-")}
    assert after == held
    now.rename(project)  # which the module's tests share
