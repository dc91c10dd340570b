"""How the processes of one network find each other, and what is said where they do not."""

import multiprocessing
import os
import threading
import warnings
from typing import Any

import pytest
import torch

from pipeline.errors import Failure
from pipeline.training import together
from pipeline.training.together import RankLostError, arrived, first_store, grouped, store_at
from pipeline.training.workers.hosts import HostLostError
from pipeline.training.workers.processes import Worker
from pipeline.training.workers.ray.cluster import Node
from pipeline.training.workers.ray.company import Company, take_gpu
from pipeline.training.workers.ray.follower import INTERFACE, Follower, interface
from pipeline.training.workers.ray.host import RayHost


class FakeHost(RayHost):
    def __init__(self, node: str) -> None:
        super().__init__(None, Node(node, "10.0.0.1", 1, 1), 1)

    def run(self, name: str, *args: Any) -> Any:
        return f"{name}({args[0]})"


class FakeEngine:
    node, address = "here", "10.0.0.1"

    def __init__(self, *nodes: str) -> None:
        self.hosts: list[FakeHost] = [FakeHost(it) for it in nodes]

    def take(self, count: int) -> list[FakeHost]:
        return self.hosts[:count]

    def ready(self, hosts: list[FakeHost], seconds: float) -> list[FakeHost]:
        return hosts


def company(engine: Any, count: int, device: str = "cpu") -> Company:
    return Company(engine, count, device)


@pytest.mark.parametrize(
    ("nodes", "device", "said"),
    [
        (["here"], "cpu", "training.data_parallel 4 takes 3 hosts beside this process, and the Ray cluster gives 1"),
        (["here"] * 3, "cuda", "training.data_parallel 4 takes 4 GPUs, and the Ray cluster gives 3: lower it, or add"),
        (["there"] * 4, "cuda", "the Ray cluster gives no GPU of this machine, which needs one, too"),
    ],
)
def test_too_few_hosts_are_said(nodes: list[str], device: str, said: str) -> None:
    with pytest.raises(Failure, match=said):
        company(FakeEngine(*nodes), 4, device).first()


def test_with_gpus_the_first_process_takes_that_of_a_host_here(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []
    monkeypatch.setattr("pipeline.training.workers.ray.company.take_gpu", taken.append)
    engine = FakeEngine("there", "here", "here", "there")
    assert company(engine, 4, "cuda")._taken() == [engine.hosts[it] for it in (0, 2, 3)]
    assert taken == ["os:getenv(CUDA_VISIBLE_DEVICES)"]


@pytest.mark.parametrize(("visible", "name", "index"), [("", "3", 3), ("2,3", "3", 1), ("GPU-a,GPU-b", "GPU-b", 1)])
def test_a_gpu_is_counted_among_those_that_are_visible(
    visible: str, name: str, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", visible)
    take_gpu(name)
    assert taken == [index]


class Answering(FakeHost):
    """A host with a call to which this is the answer."""

    def __init__(self, answer: Exception | None) -> None:
        super().__init__("here")
        self.pending, self._answer = 1, answer

    def result(self) -> None:
        self.pending -= 1
        if self._answer:
            raise self._answer


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([None, Failure("does not fit")], "does not fit"),
        (
            [RankLostError("another ended"), HostLostError("host 2 is lost: its process ended")],
            "host 2 is lost: its process ended: start again with --resume, which goes on from the last checkpoint",
        ),
        ([None, RankLostError("another ended")], None),
    ],
)
def test_what_ended_a_host_is_found(answers: list[Exception | None], said: str | None) -> None:
    engine = FakeEngine()
    engine.hosts = [Answering(it) for it in answers]
    of = company(engine, 3)
    of._hosts = of._taken()
    found = of._lost()
    assert (found and str(found)) == said


def _in_two(rank: int, port: int, answers: Any) -> None:
    os.environ[INTERFACE] = "lo"
    store = store_at(("127.0.0.1", port), rank)
    arrived(store, 2, lambda seconds: None)
    ranks = grouped(store, rank, 2, 2)
    if rank:
        follower = Follower()
        follower._worker = Worker(ranks)
        with pytest.raises(TypeError):
            follower.open(None, None, {})  # type: ignore[arg-type]
        threading.Event().wait(20.0)
        return
    try:
        ranks.add(torch.zeros(3))
    except RankLostError as error:
        answers.put(str(error))


def test_a_host_that_fails_lets_the_first_one_know_at_once() -> None:
    context = multiprocessing.get_context("fork")
    _, port = first_store("127.0.0.1")
    answers = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which these never wait for
        processes = [context.Process(target=_in_two, args=(rank, port, answers)) for rank in range(2)]
        for process in processes:
            process.start()
    assert answers.get(timeout=15).startswith("another of the 2 processes ended or does not answer")
    for process in processes:
        process.kill()
        process.join()


def test_they_meet_at_the_store_of_the_first_one() -> None:
    store, port = first_store("127.0.0.1")
    looked: list[float] = []
    coming = threading.Timer(0.3, store_at, (("127.0.0.1", port), 1))
    coming.start()
    arrived(store, 2, lambda seconds: looked.append(seconds) or coming.join(seconds))
    assert looked


def test_who_does_not_come_or_cannot_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    store, port = first_store("127.0.0.1")
    store_at(("127.0.0.1", port), 2)
    monkeypatch.setattr(together, "_JOINED_S", 0.0)
    with pytest.raises(Failure, match="ranks 1, 3 of 4 did not start for 0 s"):
        arrived(store, 4, lambda seconds: None)
    with pytest.raises(Failure, match=r"rank 1 does not reach the first process at 127.0.0.1:1: open all ports"):
        store_at(("127.0.0.1", 1), 1)


def test_a_network_is_found_by_an_address_of_its_own() -> None:
    pytest.importorskip("ray")
    assert interface("127.0.0.1") in ("lo", "lo0")
    assert interface("192.0.2.255") is None
