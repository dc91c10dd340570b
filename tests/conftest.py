"""What all tests share: a project folder of their own, and the command line called in this process."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import pytest

from pipeline.tracking.store import prepare_environment

prepare_environment()  # before a test imports mlflow, which reads it then

REPOSITORY = Path(__file__).parents[1]

# Tests leave the user's own cache alone, and share one among them.
os.environ["HEADWAY_CACHE"] = str(REPOSITORY / ".headway" / "cache")


# Few examples, the same in every run; `make test-all` takes all of them.
_EXAMPLES = {"few": 20, "all": 500}
for _profile, _count in _EXAMPLES.items():
    hypothesis.settings.register_profile(
        _profile, max_examples=_count, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
hypothesis.settings.load_profile("few")


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Headway = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with the experiments that ship, as the working directory."""
    return make_project(tmp_path / "project", monkeypatch)


def make_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.mkdir()
    for name in ("MLproject", "python_env.yaml"):
        shutil.copy(REPOSITORY / name, folder)
    shutil.copytree(REPOSITORY / "experiments", folder / "experiments", ignore=shutil.ignore_patterns("data"))
    (folder / "experiments" / "data").symlink_to(REPOSITORY / "experiments" / "data")
    (folder / "mlflow.db").write_bytes(empty_database())
    go(folder, monkeypatch)
    return folder


def git_files(folder: str) -> list[str]:
    """The files of a folder of the repository that git keeps, by their path in it."""
    told = subprocess.run(
        ["git", "-C", str(REPOSITORY / folder), "ls-files", "-z", "."], capture_output=True, text=True, check=True
    )
    return told.stdout.rstrip("\0").split("\0")


def go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a project the working directory, without what mlflow knows of the one before."""
    monkeypatch.chdir(folder)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.setenv(name, "")  # so that what mlflow sets goes with the project
        monkeypatch.delenv(name)
    if utils := sys.modules.get("mlflow.tracking._tracking_service.utils"):
        utils._artifact_repos_cache.clear()


@cache
def empty_database() -> bytes:
    """An mlflow.db without a run. MLflow takes a second to make one, so it is made once and copied."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with TemporaryDirectory() as folder:
        store = SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", folder)
        store._dispose_engine()
        return Path(folder, "mlflow.db").read_bytes()


@pytest.fixture
def headway(monkeypatch: pytest.MonkeyPatch) -> Headway:
    """Calls the command line in this process."""
    return call_headway


def call_headway(*args: str) -> Result:
    from pipeline.cli import cli
    from pipeline.commands.exit_codes import guarded

    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["headway", *args]
    code = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            guarded(cli)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    return Result(code, out.getvalue(), err.getvalue())


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tests run side by side: a thread each."""
    os.environ["OMP_NUM_THREADS"] = "1"
