"""The steps as MLflow sees them: entry points under a launcher."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import REPOSITORY, make_project

BIN = Path(sys.executable).parent


def launch(project: Path, *args: str, manager: str = "local") -> subprocess.CompletedProcess[str]:
    """`mlflow run` in the project, with this environment's commands on the path."""
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [str(BIN / "mlflow"), "run", ".", "--env-manager", manager, "--experiment-name", "launched", *args]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=1200)


def runs(project: Path) -> dict[str, Any]:
    return {run.info.run_name: run for run in Tracker(project, "launched").runs()}


def test_the_launchers_run_is_the_parent_and_its_parameters_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project", monkeypatch)
    done = launch(project, "-e", "tune", "-P", "experiment=debug", "-P", "trials=2", "-P", "training.epochs=1")
    assert done.returncode == 0, done.stderr
    found = runs(project)
    top = found["debug tune epochs=1 trials=2"]
    assert top.data.params["trials"] == "2"
    assert top.data.params["training.epochs"] == "1"
    assert top.info.status == "FINISHED"
    assert {found[name].data.tags["mlflow.parentRunId"] for name in ("prepare", "tune")} == {top.info.run_id}
    assert {"trial 0", "trial 1"} <= set(found)
    assert "trial 2" not in found


def test_a_mistake_fails_the_launchers_run_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project", monkeypatch)
    done = launch(project, "-e", "train", "-P", "experiment=debug", "-P", "training.epoch=1")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    (failed,) = runs(project).values()
    assert failed.info.status == "FAILED"
    assert "did you mean 'epochs'" in failed.data.tags[tags.OUTCOME]


@pytest.mark.slow
def test_a_launcher_told_to_end_leaves_no_run_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project", monkeypatch)
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [str(BIN / "mlflow"), "run", ".", "--env-manager", "local", "--experiment-name", "launched"]
    launcher = subprocess.Popen([*command, "-P", "training.epochs=200"], cwd=project, env=environment)
    checkpoints = project / ".headway" / "checkpoints"
    while not list(checkpoints.glob("*/checkpoint.safetensors")) and launcher.poll() is None:
        time.sleep(0.05)
    launcher.send_signal(signal.SIGTERM)
    launcher.wait(timeout=60)
    deadline = time.monotonic() + 60  # the job may end after its launcher
    while any(run.info.status == "RUNNING" for run in runs(project).values()) and time.monotonic() < deadline:
        time.sleep(0.2)
    states = {name: run.info.status for name, run in runs(project).items()}
    assert states == {"mnist_fashion": "KILLED", "prepare": "FINISHED", "train default": "KILLED"}


@pytest.mark.slow
def test_the_main_job_runs_in_an_environment_made_by_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    shutil.copytree(REPOSITORY, project, ignore=shutil.ignore_patterns(".venv", ".headway", ".git", "mlruns", "*.db"))
    monkeypatch.chdir(project)
    # MLflow names environments by their requirements: one that is left would hold another copy of the project.
    monkeypatch.setenv("MLFLOW_ENV_ROOT", str(tmp_path / "envs"))
    done = launch(project, "-P", "experiment=debug", manager="uv")
    assert done.returncode == 0, done.stderr
    assert runs(project)["report"].info.status == "FINISHED"
