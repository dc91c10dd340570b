"""A study has one table, to the byte: however many processes, machines, deaths, stores and batches in flight it has."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import empty_database, go, make_project
from tests.end_to_end.one_study import LONG_S, Study, at_work, begun, table
from tests.training.workers.ray.made import SMALL, end, kill, ray_nodes, until
from tests.tuning.postgres import postgres

pytestmark = pytest.mark.slow

KILLS, SEED = 10, 24

Begin = Callable[..., Study]


@pytest.fixture(scope="module", params=[1, 4], ids=["one_in_flight", "four_in_flight"])
def in_flight(request: pytest.FixtureRequest) -> tuple[str, str]:
    return "--set", f"tuning.batches_in_flight={request.param}"


@pytest.fixture
def begin(in_flight: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Begins the study in a new project."""
    studies, projects = list[Study](), count()

    def begin(*options: str, project: Path | None = None) -> Study:
        folder = project or make_project(tmp_path / f"project{next(projects)}", monkeypatch)
        studies.append(Study(folder, *in_flight, *options))
        return studies[-1]

    yield begin
    for study in studies:
        study.command.kill()
        study.command.communicate()


@pytest.fixture(scope="module")
def expected(in_flight: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table of one process."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(tmp_path_factory.mktemp("one") / "project", patch)
        return Study(project, *in_flight, "--set", "processes=1").table()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """Two Ray nodes."""
    pytest.importorskip("ray")
    with ray_nodes(2) as cluster:
        yield cluster


def on(cluster: Any) -> tuple[str, ...]:
    return "--engine", "ray", "--address", cluster.address


def killed_at_random(running: Callable[[], list[int]]) -> None:
    """Kill five processes that train, one after the other."""
    draws = random.Random(SEED)
    for _ in range(5):
        until(lambda: at_work(running()), LONG_S)
        time.sleep(draws.uniform(0.0, 2.0))
        end(draws.choice(until(lambda: at_work(running()), LONG_S)), signal.SIGKILL)


def test_two_processes(begin: Begin, expected: str) -> None:
    assert begin("--set", "processes=2").table() == expected


def test_worker_processes_that_are_killed(begin: Begin, expected: str) -> None:
    study = begin("--set", "processes=3")
    killed_at_random(study.workers)
    assert study.table() == expected


def test_two_nodes(begin: Begin, expected: str, nodes: Any) -> None:
    study = begin(*on(nodes))
    done = study.result()
    assert done.code == 0, done
    assert table(study.project) == expected
    assert "has no token: anybody who reaches it can run code on its nodes" in done.err
    assert len(done.err.splitlines()) == 1
    assert "ray" not in done.out.lower()


def test_hosts_that_are_killed(begin: Begin, expected: str, nodes: Any) -> None:
    study = begin(*on(nodes))
    killed_at_random(study.actors)
    done = study.result()
    assert done.code == 0, done
    assert " is lost: its process ended: its " in done.out
    assert table(study.project) == expected


def test_a_node_that_joins_late(begin: Begin, expected: str, nodes: Any) -> None:
    study = begin(*on(nodes))
    until(lambda: at_work(study.actors()), LONG_S)
    node = nodes.add_node(**SMALL)
    until(lambda: len(begun(study.actors())) > 2, LONG_S)
    try:
        assert study.table() == expected
    finally:
        nodes.remove_node(node)


def test_a_node_that_is_killed_twice(begin: Begin, expected: str, nodes: Any) -> None:
    study = begin(*on(nodes))
    until(lambda: at_work(study.actors()), LONG_S)
    for _ in range(2):
        node = nodes.add_node(**SMALL)
        until(lambda: len(begun(study.actors())) > 2, LONG_S)
        time.sleep(2.0)
        kill(node)
        nodes.remove_node(node)
    assert study.table() == expected


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/studies.db"
        return
    with postgres() as server:
        yield server.url


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


@pytest.mark.parametrize("checkpoints", [True, False], ids=["checkpoints", "none"])
def test_coordinators_that_are_killed_ten_times_on_two_machines(
    checkpoints: bool, storage: str, begin: Begin, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = [make_project(tmp_path / name, monkeypatch) for name in ("one", "other")]
    shared = tmp_path / "mlflow.db"
    shared.write_bytes(empty_database())
    go(projects[0], monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shared}")
    words = ["--storage", storage, *(["--checkpoints", str(tmp_path / "checkpoints")] if checkpoints else [])]
    draws, machines = random.Random(SEED), cycle(projects)

    def resumed() -> Study:
        return begin("--resume", *words, project=next(machines))

    died = sum(killed(resumed().command, storage, draws) for _ in range(KILLS))
    assert died >= KILLS // 2
    assert resumed().table() == expected
    runs = list(Tracker(projects[0], "debug").runs())
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED", "FAILED"}
    tuned = [run for run in runs if run.info.run_name == "tune"]
    assert [run.info.status for run in tuned] == ["FINISHED"]
    trials = [run.data.tags[tags.TRIAL_NUMBER] for run in runs if run.data.tags.get(tags.ROLE) == "trial"]
    assert sorted(map(int, trials)) == list(range(64))
    left = [it for it in (tmp_path / "checkpoints").rglob("*") if it.is_file()] if checkpoints else []
    assert left == []
