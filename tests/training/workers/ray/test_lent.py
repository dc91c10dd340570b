"""This machine becomes a node of a cluster, and ceases to be one."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import Failure
from pipeline.training.workers.ray import lent
from pipeline.training.workers.ray.cluster import Cluster, check_cluster
from pipeline.training.workers.ray.lent import LentNode
from tests.training.workers.ray.made import children, is_running, ray_nodes, until

pytest.importorskip("ray")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["disabled", "token"])
def test_it_gives_its_cores_until_it_is_closed(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "1" * 64)
    with ray_nodes(1, mode=mode) as real:
        found = check_cluster(real.address)
        cluster, node = Cluster(found), LentNode(found, 3)
        try:
            assert node.alive
            assert sorted(it.cpus for it in cluster.nodes()) == [1, 3]
            folder, began = Path(node._folder), [node._process.pid, *children(node._process.pid)]
            assert len(began) > 3
            assert folder.exists()
            node.close()
            assert not node.alive
            assert not folder.exists()
            until(lambda: not any(map(is_running, began)), 10.0)
            until(lambda: [it.cpus for it in cluster.nodes()] == [1], 10.0)
        finally:
            node.close()
            cluster.close()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("echo why; echo; exit 1", "no node of the Ray cluster at 10.0.0.1:6379 starts here: why"),
        ("exit 1", "no node of the Ray cluster at 10.0.0.1:6379 starts here: it says nothing"),
        ("echo begins; sleep 60", "no node of the Ray cluster at 10.0.0.1:6379 starts here within 0 s"),
    ],
)
def test_a_node_that_does_not_start_is_said_and_ended(
    lines: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr(lent, "sys", SimpleNamespace(executable=str(program)))
    monkeypatch.setattr(lent, "short_folder", lambda: str(folder))
    monkeypatch.setattr(lent, "_STARTS_S", 0.4)
    monkeypatch.setattr(lent, "_ENDS_S", 0.1)
    with pytest.raises(Failure) as failed:
        LentNode(lent.Found("10.0.0.1:6379", tokens=False, here=False), 1)
    assert str(failed.value) == said
    assert not folder.exists()
