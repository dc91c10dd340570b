"""A second machine gives its cores to a study that the first one runs, and the table stays that of one process."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY, Headway, Result, make_project
from tests.end_to_end.one_study import LONG_S, at_work, table, text
from tests.training.workers.ray.made import children, is_running, ray_nodes, until

pytest.importorskip("ray")

STUDY = (
    "tune", "debug", "--set", "tuning.trials=16", "--set", "tuning.batch=8", "--set", "training.epochs=1000",
    "--set", "tuning.replicates=2",
)  # fmt: skip
GIVEN = "it is given 1 of the cores of this machine, in the Ray cluster at "
LEFT = "tune: this machine has left the Ray cluster"


class Command:
    """A coordinator of the study, in a project of its own.

    Args:
        project: The project's folder.
        program: `-m pipeline`, or what stands for it.
        options: Of the command.
    """

    def __init__(self, project: Path, program: tuple[str, ...], *options: str) -> None:
        self.project, self._said = project, project / "said.txt"
        env = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        with self._said.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, *program, *STUDY, *options], stdout=out, stderr=subprocess.PIPE, text=True, env=env,
                cwd=project,
            )  # fmt: skip

    def said(self, words: str) -> bool:
        """Whether it has said so."""
        if words in self._said.read_text():
            return True
        assert self.process.poll() is None, self.result()
        return False

    def result(self) -> Result:
        """Wait for its end."""
        _, err = self.process.communicate(timeout=900)
        return Result(self.process.returncode, self._said.read_text(), err)

    def table(self) -> str:
        """The sha256 of the trials' table."""
        return table(self.project)

    def hosts(self) -> list[int]:
        """Processes of hosts that train on the node that it has started."""
        hosts = (it for it in children(self.process.pid) if text(f"/proc/{it}/cmdline").startswith("ray::Actor"))
        return at_work([*hosts])


Begin = Callable[..., Command]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    commands: list[Command] = []

    def begin(*options: str, elsewhere: bool = False) -> Command:
        folder = make_project(tmp_path / f"project{len(commands)}", monkeypatch)
        program = ("-m", "tests.end_to_end.other_machine") if elsewhere else ("-m", "pipeline")
        commands.append(Command(folder, program, *options))
        return commands[-1]

    yield begin
    for command in commands:
        command.process.kill()
        command.process.communicate()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_nodes(1) as cluster:
        yield cluster


@pytest.fixture
def options(cluster: Any, tmp_path: Path) -> tuple[str, ...]:
    """Of every machine: the first one's cluster, and where the study is."""
    return "--engine", "ray", "--address", cluster.address, "--storage", f"sqlite:///{tmp_path}/studies.db"


def joined(begin: Begin, *options: str) -> Command:
    """A second machine, whose core trains already."""
    guest = begin(*options, "--join", "--set", "processes=1", elsewhere=True)
    until(lambda: guest.said(GIVEN), LONG_S)
    until(guest.hosts, LONG_S)
    return guest


@pytest.mark.slow
def test_a_machine_that_joins_trains_and_both_have_the_table_of_one_process(
    begin: Begin, options: tuple[str, ...]
) -> None:
    first = begin(*options)
    until(lambda: first.said("tune"), LONG_S)
    guest = joined(begin, *options)
    again = begin(*options, "--join")  # the same machine as the first, which is a node
    until(lambda: again.said("whose Ray cluster has this machine already: waiting"), LONG_S)
    ends = [it.result() for it in (first, guest, again)]
    assert [it.code for it in ends] == [0, 0, 0], ends
    assert LEFT in ends[1].out
    assert guest.hosts() == []
    alone = begin("--set", "processes=1")
    assert alone.result().code == 0
    assert {it.table() for it in (first, guest, again)} == {alone.table()}


@pytest.mark.slow
def test_guests_that_are_ended_take_their_nodes_along_and_cost_nothing_else(
    begin: Begin, options: tuple[str, ...]
) -> None:
    longer = ("--set", "training.epochs=1500")
    first = begin(*options, *longer)
    until(lambda: first.said("tune"), LONG_S)
    for number in (signal.SIGINT, signal.SIGKILL):
        guest = joined(begin, *options, *longer)
        began = children(guest.process.pid)
        guest.process.send_signal(number)
        end = guest.result()
        if number != signal.SIGKILL:
            warned, interrupted = end.err.splitlines()
            assert "has no token" in warned
            assert (end.code, interrupted) == (128 + number, "headway: interrupted; add --resume to go on")
        until(lambda began=began: not any(map(is_running, began)), 30.0)
        assert first.process.poll() is None
    done = first.result()
    assert done.code == 0, done
    assert " is lost: " in done.out
    alone = begin("--set", "processes=1", *longer)
    assert alone.result().code == 0
    assert first.table() == alone.table()


@pytest.mark.slow
def test_a_guest_takes_the_study_over_from_a_coordinator_that_is_killed(begin: Begin, options: tuple[str, ...]) -> None:
    first = begin(*options)
    until(lambda: first.said("tune"), LONG_S)
    guest = joined(begin, *options)
    first.process.kill()
    done = guest.result()
    assert done.code == 0, done
    assert LEFT in done.out
    alone = begin("--set", "processes=1")
    assert alone.result().code == 0
    assert guest.table() == alone.table()


def test_what_excludes_each_other_is_said(project: Path, headway: Headway) -> None:
    forced = headway(*STUDY, "--join", "--force", "tune")
    assert (forced.code, forced.err) == (
        2, "headway: --force does afresh what --join would help another machine with: leave one of the two out\n",
    )  # fmt: skip
    without = headway("run", "debug", "--join", "--set", "tuning=null")
    assert (without.code, without.err) == (
        2, "headway: --join is for a study that runs elsewhere, and debug has none: leave it out\n",
    )  # fmt: skip
    other = headway("train", "debug", "--join")
    assert (other.code, len(other.err.splitlines())) == (2, 1)
    assert "no option '--join'" in other.err
    absent = headway(*STUDY, "--join", "--engine", "ray", "--address", "127.0.0.1:1")
    assert absent.code == 1
    assert absent.err.startswith("headway: --address 127.0.0.1:1: nothing can be reached there (connection refused)")
    assert not Path(".headway/outputs").exists()


def test_without_ray_it_says_how_to_install_it(
    project: Path, headway: Headway, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *of: None if name == "ray" else found(name, *of))
    done = headway(*STUDY, "--join")
    assert (done.code, done.err.startswith("headway: --join: Ray is not installed; pip install")) == (2, True)


def test_a_coordinator_that_trains_without_ray_cannot_be_joined(
    project: Path, headway: Headway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.tuning.lease import Lease

    other = {"token": "theirs", "process": "other@boot:12:345", "pid": 12, "host": "other", "since": "then"}
    monkeypatch.setattr(Lease, "others", lambda self, resume: iter([other]))
    done = headway(*STUDY, "--join")
    assert (done.code, done.err) == (
        1,
        "headway: --join: the study is run by process 12 on other, since then (its clock), which trains on no Ray "
        "cluster: start that one with --engine ray --address HOST:PORT, or leave --join out here to wait for it\n",
    )


def test_a_study_that_nobody_runs_is_run_here(project: Path, headway: Headway) -> None:
    done = headway("tune", "debug", "--trials", "2", "--join")
    assert done.code == 0, done
    assert "tune: --join: nobody else runs this study now, so this process does" in done.out
    again = headway("tune", "debug", "--trials", "2", "--join")
    assert (again.code, "cached" in again.out, "--join" in again.out) == (0, True, False)
