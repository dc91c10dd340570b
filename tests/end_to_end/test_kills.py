"""Steps that are killed outright go on where they were, in their own run, to the same weights."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import make_project

COMMAND = ["train", "mnist_fashion", "--set", "training.epochs=12", "--set", "training.early_stopping=null"]


def headway(project: Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *args], cwd=project, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    return out


def checkpoint_of(project: Path) -> Path | None:
    return next((project / ".headway" / "checkpoints").glob("*/*.safetensors"), None)


def killed_after_a_checkpoint(process: subprocess.Popen[str], project: Path) -> None:
    """SIGKILL the process once it has written a checkpoint that was not there before."""
    before = path.stat().st_mtime_ns if (path := checkpoint_of(project)) else 0
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        path = checkpoint_of(project)
        if path and path.stat().st_mtime_ns > before:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err


@pytest.mark.slow
def test_a_train_step_killed_three_times_leaves_the_same_weights_in_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = make_project(tmp_path / "unbroken", monkeypatch)
    finish(headway(unbroken, *COMMAND))
    broken = make_project(tmp_path / "broken", monkeypatch)
    for _ in range(3):
        killed_after_a_checkpoint(headway(broken, *COMMAND, "--resume"), broken)
    assert "resumed after" in finish(headway(broken, *COMMAND, "--resume"))
    weights = [next((project / ".headway" / "outputs").glob("*/model.safetensors")) for project in (unbroken, broken)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    trained = [run for run in Tracker(broken, "mnist_fashion").runs() if run.data.tags.get(tags.ROLE) == "default"]
    assert [run.info.status for run in trained] == ["FINISHED"]
    points = Tracker(broken, "mnist_fashion").metric_history(trained[0].info.run_id, "validation/all/objective")
    assert [step for step, _ in points] == list(range(1, 14))
    assert "cached" in finish(headway(broken, *COMMAND, "--resume"))


@pytest.mark.slow
def test_a_study_killed_twice_is_finished_in_the_same_run_with_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["tune", "mnist_fashion", "--trials", "10"]
    unbroken = make_project(tmp_path / "unbroken", monkeypatch)
    finish(headway(unbroken, *command))
    broken = make_project(tmp_path / "broken", monkeypatch)
    for _ in range(2):
        killed_after_a_checkpoint(headway(broken, *command, "--resume"), broken)
    finish(headway(broken, *command, "--resume"))
    tables = [next((project / ".headway" / "outputs").glob("*/trials.csv")) for project in (unbroken, broken)]
    assert tables[0].read_text() == tables[1].read_text()
    states = [(run.info.run_name, run.info.status) for run in Tracker(broken, "mnist_fashion").runs()]
    assert states.count(("tune", "FINISHED")) == 1
    assert [name for name, _ in states].count("tune") == 1
    assert sorted(name for name, _ in states if name.startswith("trial")) == [f"trial {number}" for number in range(10)]


@pytest.mark.slow
def test_a_job_told_to_end_leaves_no_run_running_and_a_later_command_finds_true_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project", monkeypatch)
    process = headway(project, "run", "mnist_fashion", "--set", "training.epochs=40")
    while not checkpoint_of(project) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert len(err.splitlines()) == 1
    states = {run.info.run_name: run.info.status for run in Tracker(project, "mnist_fashion").runs()}
    assert "RUNNING" not in states.values()
    assert states["mnist_fashion"] == "KILLED"
    assert states["prepare"] == "FINISHED"


@pytest.mark.slow
def test_two_jobs_at_once_share_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project", monkeypatch)
    both = [headway(project, "train", "debug") for _ in range(2)]
    outs = [finish(process) for process in both]
    assert sum(out.count("cached, answered by run") for out in outs) == 2
    names = [run.info.run_name for run in Tracker(project, "debug").runs()]
    assert (names.count("prepare"), names.count("train default")) == (1, 1)
