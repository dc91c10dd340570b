"""A study that must have one table however it is trained, as a command in a project of its own."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY, Result
from tests.training.workers.ray.made import children

STUDY = (
    "tune", "debug", "--set", "tuning.trials=64", "--set", "tuning.batch=8", "--set", "tuning.pruner=halving",
    "--set", "training.epochs=600", "--set", "training.schedule=constant",
)  # fmt: skip
"""64 trials that take a minute in one process."""

START_S = 4.0
"""CPU seconds, more than which a host's start does not take."""

LONG_S = 300.0
"""To wait for what takes seconds on a machine that nobody shares."""


class Study:
    """The study, or another one.

    Args:
        project: The project's folder.
        options: Of the command.
        words: The command.
    """

    def __init__(self, project: Path, *options: str, words: tuple[str, ...] = STUDY) -> None:
        self.project = project
        env = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        self.command = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *words, *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=project,
        )  # fmt: skip

    def result(self, seconds: float = 900.0) -> Result:
        """Wait for its end."""
        out, err = self.command.communicate(timeout=seconds)
        return Result(self.command.returncode, out, err)

    def table(self) -> str:
        """The sha256 of the trials' table, which has no seconds.

        Raises:
            AssertionError: The command failed.
        """
        done = self.result()
        assert done.code == 0, done
        return table(self.project)

    def actors(self) -> list[int]:
        """Processes of hosts, on nodes that this process or the command has started."""
        return self._below("ray::Actor", os.getpid())

    def workers(self) -> list[int]:
        """Its worker processes."""
        return self._below("multiprocessing.spawn", self.command.pid)

    def _below(self, words: str, process: int) -> list[int]:
        if self.command.poll() is not None:
            raise AssertionError(self.result())
        return [it for it in children(process) if words in text(f"/proc/{it}/cmdline")]


def table(project: Path) -> str:
    """The sha256 of a project's only table of trials."""
    (path,) = (project / ".headway" / "outputs").glob("*/trials.csv")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def begun(processes: list[int]) -> list[int]:
    """Those that have imported torch."""
    return [it for it in processes if "libtorch_cpu" in text(f"/proc/{it}/maps")]


def at_work(processes: list[int]) -> list[int]:
    """Those that train: they have taken more CPU seconds than their start does."""
    return [it for it in processes if cpu_s(it) > START_S]


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
