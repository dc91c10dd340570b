"""Runs say who made them, by which command, from which commit."""

import getpass
import subprocess
from pathlib import Path

import pytest

from pipeline.tracking.source import commit, source_tags
from pipeline.tracking.tracker import Tracker


def test_the_commit_is_the_one_that_the_project_is_at(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert commit(tmp_path) == ""  # none yet
    commit.cache_clear()
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    head = subprocess.run([*git, "log", "-1", "--format=%H"], check=True, capture_output=True, text=True).stdout.strip()
    assert source_tags(tmp_path, "headway run a")["mlflow.source.git.commit"] == head


def test_outside_of_a_repository_or_without_git_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert "mlflow.source.git.commit" not in source_tags(tmp_path, "headway run a")
    monkeypatch.setenv("PATH", "")
    assert commit(tmp_path / "other") == ""


def test_every_run_of_a_command_says_its_source(project: Path) -> None:
    tracker = Tracker(project, "trying", "headway tune trying")
    parent = tracker.start("trying", {})
    for run in (parent, tracker.start("tune", {}, parent.id)):
        told = tracker.get(run.id).data.tags  # type: ignore[union-attr]
        assert told["mlflow.source.name"] == "headway tune trying"
        assert told["mlflow.source.type"] == "LOCAL"
        assert told["mlflow.user"] == getpass.getuser()
