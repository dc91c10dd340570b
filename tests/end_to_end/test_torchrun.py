"""`torchrun -m pipeline train` as a user calls it: the same bits, one voice, and an end when one process ends."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, call_headway

pytestmark = pytest.mark.slow

LONG = ("--set", "training.chunks=2", "--set", "training.epochs=200")


def environment() -> dict[str, str]:
    own = {name: it for name, it in os.environ.items() if not name.startswith("MLFLOW_")}
    return own | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


def torchrun(project: Path, count: int, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count), "-m", "pipeline", *arguments],
        cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip


def said(process: subprocess.Popen[str]) -> tuple[int, str, list[str]]:
    """How it ended: its code, its output, and our lines among its errors."""
    try:
        out, err = process.communicate(timeout=180)
    finally:
        process.kill()
    return process.returncode, out, [line for line in err.splitlines() if line.startswith("headway:")]


def outputs(project: Path) -> dict[str, str]:
    (folder,) = (it for it in (project / ".headway" / "outputs").iterdir() if (it / "model.safetensors").exists())
    return {
        it.name: sha256(it.read_bytes()).hexdigest()
        for it in folder.iterdir()
        if it.suffix in (".safetensors", ".parquet")
    }


def ranks_of(process: subprocess.Popen[str], checkpoints: Path) -> Iterator[int]:
    """The processes that it started, once there is a checkpoint."""
    until = time.monotonic() + 120
    while not any(checkpoints.glob("*/*.safetensors")):
        assert process.poll() is None, said(process)
        assert time.monotonic() < until
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    yield from map(int, children)


def statuses(project: Path) -> dict[str, int]:
    with sqlite3.connect(project / "mlflow.db") as database:
        return dict(database.execute("SELECT status, COUNT(*) FROM runs GROUP BY status"))


def test_two_processes_come_to_the_bits_of_one_and_one_of_them_speaks(project: Path) -> None:
    code, out, errors = said(torchrun(project, 2, "train", "debug", "--set", "training.chunks=4", "--json"))
    assert (code, errors) == (0, [])
    steps = json.loads(out)["steps"]
    assert [it["cached"] for it in steps] == [False, False]
    found, runs = outputs(project), statuses(project)
    assert runs == {"FINISHED": 3}
    again = call_headway("train", "debug", "--set", "training.chunks=4", "--json")
    assert [it["cached"] for it in again.json["steps"]] == [True, True]
    assert call_headway("train", "debug", "--set", "training.chunks=4", "--force", "train").code == 0
    assert outputs(project) == found


@pytest.mark.parametrize("which", [0, 1])
def test_a_process_that_dies_ends_the_other_and_one_process_goes_on_from_the_checkpoint(
    which: int, project: Path
) -> None:
    process = torchrun(project, 2, "train", "debug", *LONG)
    ranks = list(ranks_of(process, project / ".headway" / "checkpoints"))
    os.kill(ranks[which], signal.SIGKILL)
    started = time.monotonic()
    code, _, errors = said(process)
    assert code != 0
    assert time.monotonic() - started < 30
    assert len(errors) == 1
    assert "another of the 2 processes ended or does not answer" in errors[0]
    resumed = call_headway("train", "debug", *LONG, "--resume")
    assert resumed.code == 0
    assert "resumed after" in resumed.out
    found = outputs(project)
    assert "RUNNING" not in statuses(project)
    assert call_headway("train", "debug", *LONG, "--force", "train").code == 0
    assert outputs(project) == found


def test_an_interrupt_ends_all_with_one_line_and_two_processes_go_on(project: Path) -> None:
    process = torchrun(project, 2, "train", "debug", *LONG)
    list(ranks_of(process, project / ".headway" / "checkpoints"))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    code, _, errors = said(process)
    assert code != 0
    assert errors == ["headway: interrupted; add --resume to go on"]
    assert "RUNNING" not in statuses(project)
    code, out, errors = said(torchrun(project, 2, "train", "debug", *LONG, "--resume"))
    assert (code, errors) == (0, [])
    assert "resumed after" in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("tune", "debug"), "which `train` alone does: run `headway tune` without torchrun"),
        (("train", "debug"), "2 processes cannot share training.chunks 1"),
        (("train", "nothing"), "unknown experiment 'nothing'"),
        (("train", "debug", "--set", "training.chunks=3"), "training.chunks: a power of two"),
        (("train", "debug", "-q"), "unexpected argument '-q'"),
    ],
)
def test_what_cannot_be_done_is_said_once(arguments: tuple[str, ...], line: str, project: Path) -> None:
    code, out, errors = said(torchrun(project, 2, *arguments))
    assert code != 0
    assert not out
    assert len(errors) == 1
    assert line in errors[0]
