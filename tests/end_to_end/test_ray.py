"""A study on a real cluster has the table that it has on this machine, whoever joins, dies or is killed meanwhile."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY, Headway, Result, make_project
from tests.training.workers.ray.made import SMALL, children, end, is_running, kill, ray_nodes, until

pytest.importorskip("ray")

STUDY = (
    "tune", "debug", "--set", "tuning.trials=16", "--set", "tuning.batch=8", "--set", "training.epochs=12",
    "--set", "tuning.replicates=2",
)  # fmt: skip

Begin = Callable[..., "Study"]

START_S = 7.0
_LONG_S = 300.0  # on a machine that others share


class Study:
    """The study, run by a command in a project of its own.

    Args:
        project: The project's folder.
        options: Of the command.
    """

    def __init__(self, project: Path, *options: str) -> None:
        self.project = project
        env = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        self.command = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *STUDY, *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=project,
        )  # fmt: skip

    def result(self, seconds: float = 900.0) -> Result:
        """Wait for its end."""
        out, err = self.command.communicate(timeout=seconds)
        return Result(self.command.returncode, out, err)

    def table(self) -> str:
        """The sha256 of the trials' table."""
        (path,) = (self.project / ".headway" / "outputs").glob("*/trials.csv")
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def actors(self) -> list[int]:
        """Processes of hosts, on nodes that this process or the command has started."""
        if self.command.poll() is not None:
            raise AssertionError(self.result())
        return [it for it in children(os.getpid()) if text(f"/proc/{it}/cmdline").startswith("ray::Actor")]

    def begun(self) -> list[int]:
        """Those that have imported torch."""
        return [it for it in self.actors() if "libtorch_cpu" in text(f"/proc/{it}/maps")]

    def at_work(self) -> list[int]:
        """Those that train: they have taken more CPU seconds than their start does."""
        return [it for it in self.actors() if cpu_s(it) > START_S]


def cpu_s(process: int) -> float:
    """CPU seconds that a process has taken."""
    words = text(f"/proc/{process}/stat").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK") if words else 0.0


def text(path: str) -> str:
    """Of a file; nothing where it is gone."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    studies: list[Study] = []

    def begin(*options: str) -> Study:
        folder = make_project(tmp_path / f"project{len(studies)}", monkeypatch)
        studies.append(Study(folder, *options))
        return studies[-1]

    yield begin
    for study in studies:
        study.command.kill()
        study.command.communicate()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_nodes(2) as cluster:
        yield cluster


def same_as_one_process(begin: Begin, study: Study, *options: str) -> Result:
    """How a study ended, whose table is that of one process."""
    done = study.result()
    assert done.code == 0, done
    alone = begin(*options, "--set", "processes=1")
    assert alone.result().code == 0
    assert study.table() == alone.table()
    return done


@pytest.mark.slow
def test_two_nodes_give_the_table_of_one_process(begin: Begin, cluster: Any) -> None:
    done = same_as_one_process(begin, begin("--engine", "ray", "--address", cluster.address))
    assert "has no token: anybody who reaches it can run code on its nodes" in done.err
    assert len(done.err.splitlines()) == 1
    assert "ray" not in done.out.lower()


@pytest.mark.slow
def test_hosts_that_are_killed_cost_their_epochs_and_nothing_else(begin: Begin, cluster: Any) -> None:
    longer, draws = ("--set", "training.epochs=100"), random.Random(24)
    study = begin("--engine", "ray", "--address", cluster.address, *longer)
    for _ in range(5):
        until(study.at_work, _LONG_S)
        time.sleep(draws.uniform(0.0, 3.0))
        end(draws.choice(until(study.at_work, _LONG_S)), signal.SIGKILL)
    done = same_as_one_process(begin, study, *longer)
    assert done.out.count(" is lost: its process ended: its ") >= 1


@pytest.mark.slow
def test_a_node_that_joins_late_and_is_killed_twice_changes_nothing(begin: Begin, cluster: Any) -> None:
    longer = ("--set", "training.epochs=300")
    study = begin("--engine", "ray", "--address", cluster.address, *longer)
    until(study.at_work, _LONG_S)
    for _ in range(2):
        node = cluster.add_node(**SMALL)
        until(lambda: len(study.begun()) > 2, _LONG_S)
        time.sleep(2.0)
        kill(node)
        cluster.remove_node(node)
    same_as_one_process(begin, study, *longer)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_ended_leaves_nothing_running(begin: Begin, number: signal.Signals) -> None:
    study = begin("--set", "training.epochs=4000", "--engine", "ray")
    until(study.actors, _LONG_S)
    time.sleep(3.0)
    began = children(study.command.pid)
    assert len(began) > 4
    study.command.send_signal(number)
    done = study.result(30.0)
    if number != signal.SIGKILL:
        assert (done.code, done.err) == (128 + number, "headway: interrupted; add --resume to go on\n")
    # Killed itself, it cannot end Ray's two agents, which notice a minute later.
    until(lambda: not any(map(is_running, began)), 100.0 if number == signal.SIGKILL else 30.0)


def test_an_address_is_of_an_engine_and_a_cluster_answers_there(project: Path, headway: Headway) -> None:
    wrong = headway(*STUDY, "--address", "auto")
    assert (wrong.code, wrong.err) == (
        2,
        "headway: --address auto is of a Ray cluster: add --engine ray, or leave it out\n",
    )
    absent = headway(*STUDY, "--engine", "ray", "--address", "127.0.0.1:1")
    assert absent.code == 1
    assert absent.err.startswith("headway: --address 127.0.0.1:1: nothing can be reached there (connection refused)")
    assert not Path(".headway/outputs").exists()
