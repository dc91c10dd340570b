"""A study goes on in another project folder, as on another machine: storage and tracking are all that it takes."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import cycle
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import REPOSITORY, empty_database, go, make_project
from tests.tuning.postgres import postgres

COMMAND = ["tune", "debug", "--trials", "24", "--set", "tuning.batch=8", "--set", "training.epochs=150",
           "--set", "training.schedule=constant", "--resume"]  # fmt: skip
KILLS, SEED = 10, 24


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/studies.db"
        return
    with postgres() as server:
        yield server.url


def started(project: Path, *words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *COMMAND, *words], cwd=project, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip


def finished(project: Path, *words: str) -> str:
    """The table that a command leaves."""
    process = started(project, *words)
    _, err = process.communicate(timeout=600)
    assert (process.returncode, err) == (0, "")
    return table(project)


def table(project: Path) -> str:
    return next((project / ".headway" / "outputs").glob("*/trials.csv")).read_text()


def validations(storage: str) -> int:
    """How many the storage knows of all trials."""
    with closing(create_engine(storage, poolclass=NullPool).connect()) as connection, suppress(SQLAlchemyError):
        return int(connection.execute(text("SELECT count(*) FROM trial_intermediate_values")).scalar() or 0)
    return 0  # nothing is there yet


def killed(process: subprocess.Popen[str], storage: str, draws: random.Random) -> bool:
    """SIGKILL a process some time after its start, or after some validations; False if it finished before."""
    wanted, moment_s = validations(storage) + draws.randint(1, 200), draws.uniform(0.0, 0.5)
    if draws.random() < 0.3:
        wanted, moment_s = 0, draws.uniform(0.0, 6.0)
    while process.poll() is None and validations(storage) < wanted:
        time.sleep(0.05)
    time.sleep(moment_s)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    return process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("checkpoints", [True, False], ids=["checkpoints", "none"])
def test_a_study_killed_ten_times_and_resumed_elsewhere_gives_the_same_table(
    checkpoints: bool, storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = [make_project(tmp_path / name, monkeypatch) for name in ("whole", "one", "other")]
    expected = finished(projects[0])
    shared = tmp_path / "mlflow.db"
    shared.write_bytes(empty_database())
    go(projects[1], monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shared}")
    words = ["--storage", storage, *(["--checkpoints", str(tmp_path / "checkpoints")] if checkpoints else [])]
    draws, machines = random.Random(SEED), cycle(projects[1:])
    died = sum(killed(started(next(machines), *words), storage, draws) for _ in range(KILLS))
    assert died >= KILLS // 2
    assert finished(next(machines), *words) == expected
    runs = list(Tracker(projects[1], "debug").runs())
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED", "FAILED"}
    tuned = [run for run in runs if run.info.run_name == "tune"]
    assert [run.info.status for run in tuned] == ["FINISHED"]
    trials = [run.data.tags[tags.TRIAL_NUMBER] for run in runs if run.data.tags.get(tags.ROLE) == "trial"]
    assert sorted(map(int, trials)) == list(range(24))
    left = [it for it in (tmp_path / "checkpoints").rglob("*") if it.is_file()] if checkpoints else []
    assert left == []
