"""`training.data_parallel` under Ray: the bits of one process, and an end when one of the processes dies."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Headway, call_headway
from tests.end_to_end.test_torchrun import outputs
from tests.training.workers.ray.made import children, ray_nodes, until

pytest.importorskip("ray")

TRAIN = ("train", "debug", "--set", "training.chunks=4")
LONG = (*TRAIN, "--set", "training.epochs=200")
TWO = ("--set", "training.data_parallel=2", "--engine", "ray")


def statuses(project: Path) -> dict[str, int]:
    with sqlite3.connect(project / "mlflow.db") as database:
        return dict(database.execute("SELECT status, COUNT(*) FROM runs GROUP BY status"))


@pytest.mark.slow
@pytest.mark.parametrize("of", ["its own cluster", "nodes"])
def test_two_processes_come_to_the_bits_of_one(of: str, project: Path) -> None:
    if of == "nodes":
        with ray_nodes(2) as cluster:
            done = call_headway(*TRAIN, *TWO, "--address", cluster.address)
    else:
        done = call_headway(*TRAIN, *TWO)
    assert done.code == 0, done
    assert done.err == "" or "has no token" in done.err
    found = outputs(project)
    again = call_headway(*TRAIN, "--json")  # by how many processes is in no key
    assert [it["cached"] for it in again.json["steps"]] == [True, True]
    assert call_headway(*TRAIN, "--force", "train").code == 0
    assert outputs(project) == found


@pytest.mark.slow
def test_a_host_that_dies_ends_the_command_and_one_process_goes_on_from_the_checkpoint(project: Path) -> None:
    env = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *LONG, *TWO], cwd=project, env=env, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: any((project / ".headway" / "checkpoints").glob("*/*.safetensors")) or process.poll() is not None)
    (host,) = (it for it in children(process.pid) if Path(f"/proc/{it}/cmdline").read_text().startswith("ray::Actor"))
    os.kill(host, signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert len(err.splitlines()) == 1
    assert "host 1 is lost: its process ended: start again with --resume" in err
    resumed = call_headway(*LONG, "--resume")
    assert resumed.code == 0
    assert "resumed after" in resumed.out
    found = outputs(project)
    assert "RUNNING" not in statuses(project)
    assert call_headway(*LONG, "--force", "train").code == 0
    assert outputs(project) == found


@pytest.mark.slow
def test_a_cluster_with_too_few_hosts_is_said(project: Path) -> None:
    with ray_nodes(1) as cluster:
        done = call_headway(
            *TRAIN, "--set", "training.data_parallel=4", "--engine", "ray", "--address", cluster.address
        )
    assert done.code == 1
    assert done.err.splitlines()[-1] == (
        "headway: training.data_parallel 4 takes 3 hosts beside this process, and the Ray cluster gives 1: lower it, "
        "or add nodes"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            (*TRAIN, *TWO[:2]),
            "training.data_parallel 2 needs --engine ray; or set it to 1, and start `torchrun --nproc",
        ),
        (("run", *TRAIN[1:], *TWO), "which `train` alone does: run `headway train` first, and `headway run` with --tr"),
        (("tune", *TRAIN[1:], *TWO), "which `train` alone does: run `headway train` first, and `headway tune` with"),
        (("train", "debug", *TWO), "data_parallel 2 processes cannot share 1 chunks: set chunks to 2 or a multiple"),
        ((*TRAIN, "--set", "training.data_parallel=3", *TWO[2:]), "training.data_parallel: a power of two"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], line: str, project: Path, headway: Headway) -> None:
    done = headway(*arguments)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert line in done.err
    assert not Path(".headway/outputs").exists()
