"""Hosts on a real cluster of Ray's nodes on this machine: what they train, how they are lost, and who is refused."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure, UserError
from pipeline.training.slot import Slot, SlotState
from pipeline.training.workers.hosts import HostLostError
from pipeline.training.workers.ray import data, engine as module
from pipeline.training.workers.ray.cluster import Found
from pipeline.training.workers.ray.engine import RayEngine
from tests.training.made import assert_same, experiment_on, seeds, trained
from tests.training.workers.ray.made import SMALL, children, end, is_running, kill, ray_nodes, until

pytest.importorskip("ray")


class Lines(list[str]):
    """What was said."""

    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture
def said() -> Lines:
    return Lines()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_nodes(2) as cluster:
        yield cluster


@pytest.fixture
def engine(cluster: Any, tmp_path: Path, said: Lines) -> Iterator[RayEngine]:
    made = RayEngine(Found(cluster.address, tokens=False), tmp_path, warn=said, log=said)
    yield made
    made.close()


@pytest.fixture
def experiment(prepared: Prepared) -> Experiment:
    return experiment_on(prepared)


def states(hosts: list[Any], prepared: Prepared, slots: list[Slot]) -> dict[str, SlotState]:
    """Of slots that are dealt out to hosts and trained there to their end."""
    for place, host in enumerate(hosts):
        host.call("open", prepared, {7: slots[place :: len(hosts)]}, {})
        for _ in range(slots[0].experiment.training.epochs or 1):
            host.call("advance", 7)
    found = {}
    for host in hosts:
        host.result()
        while host.pending:
            found |= {state.name: state for state in host.result().states}
    return found


def trains_as_here(hosts: list[Any], prepared: Prepared, experiment: Experiment) -> None:
    slots = seeds(experiment, 4)
    here = trained(prepared, slots)
    for name, state in states(hosts, prepared, slots).items():
        assert_same(state, here[name])


def process_of(host: Any) -> int:
    return int(host.run("os:getpid"))


def test_a_cluster_of_our_own_trains_to_the_same_bits_and_ends_with_all_it_started(
    tmp_path: Path, prepared: Prepared, experiment: Experiment, said: Lines, capfd: pytest.CaptureFixture[str]
) -> None:
    before, handler = set(children(os.getpid())), signal.getsignal(signal.SIGTERM)
    engine = RayEngine(None, tmp_path, count=2, warn=said, log=said)
    try:
        first, second = engine.take(2)
        began = set(children(os.getpid())) - before
        folder = Path(str(engine._cluster and engine._cluster._folder))
        assert folder.is_dir()
        assert open_ports(began) <= {"127.0.0.1"}
        trains_as_here([first, second], prepared, experiment)
        with pytest.raises(UserError, match="there is no module 'nowhere'"):
            first.run("pipeline.plugins:own", "nowhere:Class")
        end(process_of(first), signal.SIGKILL)
        first.call("advance", 1)
        killed = time.monotonic()
        assert until(lambda: engine.ready([first, second], 5.0)) == [first]
        with pytest.raises(HostLostError, match=r"host 1 is lost: its process ended"):
            first.result()
        assert time.monotonic() - killed < 5.0
        assert not first.alive
        replaced = until(engine.joined)
        trains_as_here([*replaced, second], prepared, experiment)
    finally:
        engine.close()
    until(lambda: not any(map(is_running, began)))
    assert signal.getsignal(signal.SIGTERM) is handler
    assert said == []
    assert capfd.readouterr() == ("", "")
    assert not folder.exists()


def open_ports(processes: set[int]) -> set[str]:
    """Addresses at which these listen for TCP."""
    inodes = set()
    for process in processes:
        for link in Path(f"/proc/{process}/fd").glob("*"):
            try:
                inodes.add(os.readlink(link))
            except OSError:
                continue
    found = set()
    for table, loopback in (("tcp", "0100007F"), ("tcp6", "0000000000000000FFFF00000100007F")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                address = words[1].partition(":")[0]
                found.add("127.0.0.1" if address == loopback else address)
    return found


@pytest.mark.slow
def test_two_nodes_train_to_the_same_bits_and_that_they_have_no_token_is_said(
    engine: RayEngine, prepared: Prepared, experiment: Experiment, said: Lines
) -> None:
    hosts = engine.take(5)
    assert len(hosts) == 2
    assert len({host.name for host in hosts}) == 2
    trains_as_here(hosts, prepared, experiment)
    assert len(said) == 1
    assert "has no token: anybody who reaches it can run code on its nodes" in said[0]


@pytest.mark.slow
def test_data_that_nodes_do_not_see_are_shipped_once_a_node(
    engine: RayEngine, digits: Prepared, said: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data.Shipment, "place", place_elsewhere)
    monkeypatch.setattr(data, "CHUNK", 10_000)
    hosts = engine.take(2)
    for _ in range(2):
        trains_as_here(hosts, digits, experiment_on(digits, {"training.epochs": 1}))
    assert len([line for line in said if "shipped" in line]) == 2


def place_elsewhere(shipment: data.Shipment, run: Any) -> Path:
    """As if no node saw the folder."""
    return shipment._ship(run)


@pytest.mark.slow
def test_nodes_that_cannot_get_the_data_are_not_used_and_without_others_it_ends(
    engine: RayEngine, digits: Prepared, said: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Path:
        raise Failure("the prepared data take 12 MB, and /cache has room for 1 MB")

    hosts = engine.take(2)
    monkeypatch.setattr(data.Shipment, "place", full)
    for host in hosts:
        with pytest.raises(HostLostError, match=r"node .* cannot train: the prepared data take 12 MB"):
            host.call("open", digits, {1: seeds(experiment_on(digits), 1)}, {})
    assert len([line for line in said if line.startswith("not used: node ")]) == 2
    with pytest.raises(Failure, match=r"no node of the Ray cluster at .* can train: node .* take 12 MB, and /cache"):
        engine.joined()


@pytest.mark.slow
def test_a_node_that_dies_is_noticed_in_seconds_and_one_that_joins_is_used(
    cluster: Any, engine: RayEngine, prepared: Prepared, experiment: Experiment
) -> None:
    node = cluster.add_node(**SMALL)
    hosts = engine.take(3)
    lost = next(host for host in hosts if host.node.id == node.node_id)
    for host in hosts:
        host.call("open", prepared, {1: seeds(experiment, 1)}, {})
        host.result()
    kill(node)
    killed = time.monotonic()
    lost.call("advance", 1)
    with pytest.raises(HostLostError, match=r"is lost: its (node died|process ended)"):
        lost.result()
    assert time.monotonic() - killed < 10.0
    cluster.remove_node(node)
    assert engine.joined() == []
    another = cluster.add_node(**SMALL)
    joined = until(engine.joined)
    assert [host.node.id for host in joined] == [another.node_id]
    trains_as_here(joined, prepared, experiment)
    cluster.remove_node(another)


@pytest.mark.slow
def test_a_node_with_other_bits_is_refused_by_name_unless_mixed(
    cluster: Any, tmp_path: Path, said: Lines, engine: RayEngine
) -> None:
    node = cluster.add_node(**SMALL, env_vars={"ATEN_CPU_CAPABILITY": "default"})
    try:
        hosts = engine.take(3)
        assert node.node_id not in {host.node.id for host in hosts}
        assert any(node.node_id[:6] in line and "--mixed" in line for line in said)
        engine.close()
        mixed = RayEngine(Found(cluster.address, tokens=False), tmp_path, mixed=True, warn=said)
        try:
            assert node.node_id in {host.node.id for host in mixed.take(3)}
            assert any("equal within a tolerance" in line for line in said)
        finally:
            mixed.close()
    finally:
        cluster.remove_node(node)


@pytest.mark.slow
def test_nodes_with_another_version_are_refused_in_one_line(engine: RayEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "wanted", lambda folder: {"python": "3.99.0", "versions": {}, "digest": "0" * 16})
    with pytest.raises(Failure, match=r"no node of the Ray cluster at .* can train: node .* has python 3\.\d+\.\d+, "):
        engine.take(2)


@pytest.mark.slow
def test_without_room_it_says_so(engine: RayEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(module, "_SCHEDULED_S", 5.0)
    engine._connected()
    busy = ray.remote(num_cpus=1)(Idle)
    others = [busy.remote() for _ in range(2)]
    ray.get([it.there.remote() for it in others])
    with pytest.raises(Failure, match="has started no host for 5 s: it has 2 cores on 2 nodes, which others may"):
        engine.take(2)


class Idle:
    """Keeps a core."""

    def there(self) -> bool:
        return True


@pytest.mark.slow
def test_hosts_that_only_sleep_import_neither_torch_nor_the_package(cluster: Any, tmp_path: Path) -> None:
    engine = RayEngine(Found(cluster.address, tokens=False), tmp_path, make=sleeper())
    try:
        for host in engine.take(2):
            host.call("sleep", 0.1)
            modules, anonymous = host.result()
            assert not {"torch", "pipeline"} & modules
            assert anonymous < 80 * 2**20
    finally:
        engine.close()


def sleeper() -> Any:
    class Sleeper:
        def sleep(self, seconds: float) -> tuple[set[str], int]:
            time.sleep(seconds)
            status = Path("/proc/self/status").read_text()
            return {*sys.modules}, int(status.partition("RssAnon:")[2].split()[0]) * 1024

    return Sleeper


@pytest.mark.slow
def test_parts_of_the_users_own_come_along(
    engine: RayEngine, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_only.py").write_text(OWN_LOSS)
    monkeypatch.syspath_prepend(str(tmp_path))
    experiment = with_values(experiment_on(prepared), {"tasks.digit.loss": "mine_only:Mine"})
    monkeypatch.setattr(engine, "_project", tmp_path / "not_there")
    trains_as_here(engine.take(2), prepared, experiment)


OWN_LOSS = """
import torch


class Mine:
    def rows(self, logits, targets):
        return torch.nn.functional.cross_entropy(logits, targets, reduction="none")
"""
