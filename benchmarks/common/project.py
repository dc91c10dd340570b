"""Scratch projects: the real command in a folder of its own, as a user would run it."""

import contextlib
import os
import pty
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common.data import Data
from benchmarks.common.measuring import Clock, Spent

REPOSITORY = Path(__file__).parents[2]
_UNSET = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_TRACKING_URI", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Project:
    """A project's folder with nothing done in it yet.

    Attributes:
        folder: It.
        data: What its experiments read.
    """

    folder: Path
    data: Data

    def headway(self, command: str, values: Mapping[str, Any] | None = None, *more: str) -> Spent:
        """Run `headway COMMAND mnist_fashion` on the full data with these values; what it cost.

        Raises:
            RuntimeError: The command failed.
        """
        module = [sys.executable, "-m", "pipeline"]
        return run(module + self.words(command, values, *more), self.folder)

    def words(self, command: str, values: Mapping[str, Any] | None = None, *more: str) -> list[str]:
        """The arguments of `headway COMMAND mnist_fashion` with these values."""
        every = {"data.variant": "full", "data.root": str(self.data.root), **(values or {})}
        return [command, "mnist_fashion", *(word for item in every.items() for word in _set(*item)), *more]

    @property
    def prepared(self) -> Path:
        """The one folder of prepared arrays."""
        (folder,) = (self.folder / ".headway" / "prepared").iterdir()
        return folder


@contextmanager
def scratch_project(data: Data) -> Iterator[Project]:
    """A copy of the project in a temporary folder."""
    with TemporaryDirectory() as folder:
        yield Project(project_in(Path(folder)), data)


def project_in(folder: Path, of: Path = REPOSITORY) -> Path:
    """A project in a folder, with the experiments of a checkout and nothing done in it yet; their data are linked."""
    shutil.copytree(of / "experiments", folder / "experiments", ignore=shutil.ignore_patterns("data"))
    (folder / "experiments" / "data").symlink_to(of / "experiments" / "data")
    for name in ("MLproject", "python_env.yaml"):
        shutil.copy(of / name, folder)
    return folder


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """A worktree of another commit, in a temporary folder."""
    git = ["git", "-C", str(REPOSITORY), "worktree"]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "checkout"
        subprocess.run([*git, "add", "--detach", str(path), commit], check=True, capture_output=True)
        try:
            yield path
        finally:
            subprocess.run([*git, "remove", "--force", str(path)], check=True, capture_output=True)


def run(words: Sequence[str], folder: Path) -> Spent:
    """Run a program in a folder; what it cost, and the last line it said.

    Raises:
        RuntimeError: It failed.
    """
    with Clock() as clock:
        told = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if told.returncode:
        raise RuntimeError(f"{' '.join(words)} failed:\n{told.stdout}{told.stderr}")
    clock.spent.more["said"] = told.stdout.strip().splitlines()[-1] if told.stdout.strip() else ""
    return clock.spent


def run_on_terminal(words: Sequence[str], folder: Path) -> Spent:
    """Run a program that believes that it writes to a terminal; what it cost.

    Raises:
        RuntimeError: It failed.
    """
    ours, its = pty.openpty()
    shown: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(ours, shown))
    reader.start()
    with Clock() as clock:
        told = subprocess.run(
            words, cwd=folder, env=environment() | {"TERM": "xterm"}, stdout=its, stderr=its, check=False
        )
    os.close(its)
    reader.join()
    os.close(ours)
    if told.returncode:
        raise RuntimeError(f"{' '.join(words)} failed:\n{b''.join(shown).decode(errors='replace')}")
    return clock.spent


def _drain(terminal: int, shown: list[bytes]) -> None:
    """Read until the other side is closed; or its writer would wait."""
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 1 << 16):
            shown.append(part)


def environment() -> dict[str, str]:
    """The environment of a program in a scratch folder: it finds the packages here, no launcher, its own defaults."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    return kept | {"PYTHONPATH": str(REPOSITORY), "MLFLOW_DISABLE_TELEMETRY": "true"}


def _set(key: str, value: Any) -> tuple[str, str]:
    return "--set", f"{key}={'null' if value is None else value}"
