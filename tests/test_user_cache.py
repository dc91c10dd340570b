"""What is kept for a user saves time and changes nothing: it is whole or absent, and made again where it is broken."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import Failure
from pipeline.tracking import keys, syntax_cache
from pipeline.tracking.keys import code_of
from pipeline.tracking.store import ready_store
from pipeline.user_cache import FOLDER, cache_folder, write_atomically
from tests.conftest import REPOSITORY


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(FOLDER, str(folder))
    return folder


def code() -> dict[str, str]:
    """Of a module, as a new process finds it."""
    code_of.cache_clear()
    keys._parsed.cache_clear()
    syntax_cache.reload()
    syntax_cache._used.clear()
    return code_of("pipeline.steps.select")


@pytest.fixture(autouse=True)
def _clean() -> None:
    syntax_cache.reload()


def test_keys_are_equal_with_and_without_a_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, "")
    without = code()
    monkeypatch.setenv(FOLDER, str(cache))
    assert code() == without
    monkeypatch.setattr(keys, "_parse", None)  # which is called no more
    assert code() == without


@pytest.mark.parametrize(
    "held", ["", "{", "[]", "[1, 2]", "null", '{"a": 1}', "broken entries", "entries of others", "names of none"]
)
def test_a_broken_or_foreign_entry_is_made_again(held: str, cache: Path) -> None:
    found = code()
    (file,) = cache.glob("code-*.json")
    entries = json.loads(file.read_text())
    changed = {
        "broken entries": {name: it[:2] for name, it in entries.items()},
        "entries of others": dict(
            zip(entries, [*list(entries.values())[1:], entries[next(iter(entries))]], strict=True)
        ),
        "names of none": {name: [digest, [None], check] for name, (digest, _, check) in entries.items()},
    }.get(held)
    file.write_text(held if changed is None else json.dumps(changed))
    assert code() == found
    assert json.loads(file.read_text())


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(FOLDER, str(tmp_path / "file" / "cache"))
    assert cache_folder() is None
    assert code()


def test_a_file_that_cannot_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("whole")

    def fails(made: Path) -> None:
        made.write_text("half")
        raise OSError

    assert not write_atomically(path, fails)
    assert path.read_text() == "whole"
    assert os.listdir(tmp_path) == ["kept"]


def tables(file: Path) -> set[str]:
    with sqlite3.connect(file) as base:
        return {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_project_begins_with_mlflows_schema_and_nothing_in_it(cache: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    ready_store(project, f"sqlite:///{project / 'mlflow.db'}")
    assert {"experiments", "runs", "metrics", "alembic_version"} <= tables(project / "mlflow.db")
    with sqlite3.connect(project / "mlflow.db") as base:
        (location,) = base.execute("SELECT artifact_location FROM experiments").fetchone()
    assert location == (project / "mlruns" / "0").as_uri()  # MLflow's own, wherever it is opened from
    (template,) = cache.glob("mlflow-*.db")
    template.write_bytes(template.read_bytes()[:5000])  # half of it
    other = tmp_path / "other"
    other.mkdir()
    ready_store(other, f"sqlite:///{other / 'mlflow.db'}")
    assert tables(other / "mlflow.db") == tables(project / "mlflow.db")


TRACKED = """
import os, sys
from pathlib import Path
from pipeline.tracking.store import prepare_environment
prepare_environment()
from pipeline.tracking.tracker import Tracker
Tracker(Path(sys.argv[1]), "one").start("a", {}).end("FINISHED")
if sys.argv[2] == "killed":
    os.kill(os.getpid(), 9)
"""


def tracked(project: Path, cache: Path, end: str) -> int:
    own = os.environ | {FOLDER: str(cache), "PYTHONPATH": str(REPOSITORY)}
    own.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.run([sys.executable, "-c", TRACKED, str(project), end], env=own, check=False).returncode


def test_a_store_that_was_deleted_is_begun_anew_and_one_that_was_left_is_whole(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    tracked(tmp_path, cache, "killed")
    file.unlink()  # its log stays
    assert tracked(tmp_path, cache, "ended") == 0
    (tmp_path / "copy.db").write_bytes(file.read_bytes())
    with sqlite3.connect(tmp_path / "copy.db") as base:
        assert base.execute("SELECT status FROM runs").fetchall() == [("FINISHED",)]


def test_a_store_that_is_there_or_elsewhere_is_left_alone(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("mine")
    with pytest.raises(Failure, match=r"mlflow.db cannot be used \(file is not a database\)"):
        ready_store(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert (tmp_path / "mlflow.db").read_text() == "mine"
    ready_store(tmp_path / "project", f"sqlite:///{tmp_path / 'elsewhere.db'}")
    ready_store(tmp_path, "postgresql://host/base")
    assert not (tmp_path / "elsewhere.db").exists()
    assert not list(cache.glob("mlflow-*"))


WORK = """
import sys
from pathlib import Path
from pipeline.tracking.keys import code_of
from pipeline.tracking.store import prepare_environment, ready_store
print("begun", flush=True)
code_of("pipeline.steps.report")
prepare_environment()
project = Path(sys.argv[1])
ready_store(project, f"sqlite:///{project / 'mlflow.db'}")
print("done", flush=True)
"""


def killed(cache: Path, project: Path, after_s: float) -> None:
    own = os.environ | {FOLDER: str(cache), "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen([sys.executable, "-c", WORK, str(project)], env=own, stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "begun\n"
        time.sleep(after_s)
        it.send_signal(signal.SIGKILL)


def assert_whole(cache: Path, project: Path) -> None:
    for file in cache.glob("code-*.json"):
        assert json.loads(file.read_text())
    for file in (*cache.glob("mlflow-*.db"), *project.glob("mlflow.db")):
        assert "runs" in tables(file)


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_any_moment_all_is_whole_or_absent(kills: int, tmp_path: Path) -> None:
    draws = random.Random(7)
    for number in range(kills):
        folder = tmp_path / str(number)
        project = folder / "project"
        project.mkdir(parents=True)
        killed(folder / "cache", project, draws.uniform(0.0, 4.0))
        assert_whole(folder / "cache", project)
