"""A real cluster of Ray's nodes on this machine."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.training.workers.ray.cluster import HEALTH, reread_environment

SMALL: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@contextmanager
def ray_nodes(count: int, mode: str = "disabled") -> Iterator[Any]:
    """A cluster of so many nodes with a core each, as `ray.cluster_utils.Cluster` starts them.

    Args:
        count: Of the nodes.
        mode: `disabled`, or `token`.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            HEALTH | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": mode, "RAY_worker_niceness": "0"}
        ).items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        reread_environment()
        cluster = Cluster(initialize_head=True, head_node_args=SMALL | {"include_dashboard": False})
        try:
            for _ in range(count - 1):
                cluster.add_node(**SMALL)
            yield cluster
        finally:
            with suppress(Exception):
                import ray

                ray.shutdown()
            cluster.shutdown()


def kill(node: Any) -> None:
    """Kill a node with all its processes at once, as a machine dies."""
    running = [it.process.pid for of_kind in node.all_processes.values() for it in of_kind]
    for process in [*running, *(child for it in running for child in children(it))]:
        end(process, signal.SIGKILL)


def children(process: int) -> list[int]:
    """Of a process, and theirs."""
    own = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # threads end meanwhile
            own += [int(it) for it in path.read_text().split()]
    return [*own, *(further for child in own for further in children(child))]


def until(found: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What a function answers, as soon as that is something."""
    deadline = time.monotonic() + seconds
    while not (it := found()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.1)
    return it


def is_running(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end(process: int, number: int) -> None:
    """Send a signal."""
    with suppress(ProcessLookupError):
        os.kill(process, number)
