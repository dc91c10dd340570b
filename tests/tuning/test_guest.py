"""A second coordinator lends its machine to the first one, or says in one line why it cannot."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline.errors import Failure, UserError
from pipeline.tracking import process
from pipeline.training.workers.ray import cluster
from pipeline.training.workers.ray.cluster import Found
from pipeline.tuning import guest as module
from pipeline.tuning.guest import Guest
from pipeline.tuning.lease import OWN_CLUSTER

HERE, THERE = process.identity(), "other@boot:12:345"
FAR = "10.0.0.1:6379"


@dataclass
class FakeNode:
    found: Found
    alive: bool = True
    closed: int = 0

    def close(self) -> None:
        self.alive = False
        self.closed += 1


@dataclass
class Made:
    said: list[str] = field(default_factory=list)
    nodes: list[FakeNode] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    is_node: bool = False
    tokens: bool = True

    def guest(self) -> Guest:
        return Guest(self.lend, "2 of the cores", self.said.append, self.warned.append)

    def lend(self, found: Found) -> FakeNode:
        self.nodes.append(FakeNode(found))
        return self.nodes[-1]

    def check(self, address: str, said: str, joins: bool) -> Found:
        assert joins
        self.asked.append(said)
        return Found(address, self.tokens, self.is_node)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    found = Made()
    monkeypatch.setattr(module, "check_cluster", found.check)
    return found


def holder(cluster: str | None = FAR, of: str = THERE, token: str = "one") -> dict[str, Any]:
    host = of.partition("@")[0]
    return {"token": token, "process": of, "pid": 12, "host": host, "since": "then", "cluster": cluster}


def test_it_joins_once_says_so_and_leaves(made: Made) -> None:
    guest = made.guest()
    for _ in range(3):
        guest.meet(holder())
    (node,) = made.nodes
    assert node.found == Found(FAR, tokens=True, here=False)
    assert made.said == [
        "the study is run by process 12 on other, since then (its clock): it is given 2 of the cores of this machine, "
        f"in the Ray cluster at {FAR}, until it is done"
    ]
    guest.close()
    guest.close()
    assert (node.closed, made.said[1:]) == (1, ["this machine has left the Ray cluster"])


@pytest.mark.parametrize("tokens", [True, False])
def test_a_cluster_without_a_token_is_warned_of(made: Made, tokens: bool) -> None:
    made.tokens = tokens
    made.guest().meet(holder())
    said = (
        f"the Ray cluster at {FAR} has no token: anybody who reaches it can run code on its nodes, this machine among"
    )
    assert [it[: len(said)] for it in made.warned] == ([] if tokens else [said])


@pytest.mark.parametrize("address", [FAR, OWN_CLUSTER])
def test_a_node_of_the_cluster_only_waits(made: Made, address: str) -> None:
    made.is_node = True
    guest = made.guest()
    for _ in range(2):
        guest.meet(holder(address, HERE if address == OWN_CLUSTER else THERE))
    guest.close()
    assert made.nodes == []
    assert len(made.said) == 1
    assert made.said[0].endswith("whose Ray cluster has this machine already: waiting until that is done or gone")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            holder(None),
            "other, since then .its clock., which trains on no Ray cluster: start that one with --engine ray",
        ),
        (holder(OWN_CLUSTER), "whose Ray cluster listens on its own machine only: start that one with --engine ray"),
        (holder("127.0.0.1:6379"), "whose Ray cluster listens on its own machine only"),
        (holder("[::1]:6379"), "whose Ray cluster listens on its own machine only"),
        (holder("localhost:6379"), "whose Ray cluster listens on its own machine only"),
        ({k: it for k, it in holder().items() if k != "cluster"}, "which trains on no Ray cluster"),
    ],
)
def test_who_cannot_be_joined_is_said(made: Made, other: dict[str, Any], said: str) -> None:
    with pytest.raises(Failure, match=f"^--join: the study is run by process 12 on .*{said}"):
        made.guest().meet(other)
    assert (made.nodes, made.said) == ([], [])


def test_a_cluster_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    monkeypatch.setattr(module, "check_cluster", cluster.check_cluster)
    with pytest.raises(
        Failure, match=r"^--join: the study is run by process 12 on .*, at nowhere.invalid:1: nothing can"
    ):
        made.guest().meet(holder("nowhere.invalid:1"))
    monkeypatch.setattr(cluster, "_check_answers", lambda *_: None)
    monkeypatch.setattr(cluster, "_probed", lambda address, tokens: {"problem": "token", "address": address})
    with pytest.raises(Failure, match=r"^--join: .*: the cluster does not accept the token of this machine"):
        made.guest().meet(holder())
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="Ray is not installed"):
        made.guest().meet(holder())


def test_it_follows_who_takes_the_study_over_and_waits_where_it_cannot(made: Made) -> None:
    guest = made.guest()
    guest.meet(holder())
    guest.meet(holder("10.0.0.2:6379", token="two"))
    assert [(it.found.address, it.alive) for it in made.nodes] == [(FAR, False), ("10.0.0.2:6379", True)]
    guest.meet(holder(None, token="three"))
    assert not made.nodes[1].alive
    assert made.said[-1].endswith("leave --join out here to wait for it: waiting until that is done or gone")
    said = [*made.said]
    guest.meet(holder(None, token="three"))
    guest.close()
    assert (made.said, len(made.nodes)) == (said, 2)


def test_a_node_that_ends_is_said_once_and_waited_without(made: Made) -> None:
    guest = made.guest()
    guest.meet(holder())
    made.nodes[0].alive = False
    for _ in range(2):
        guest.meet(holder())
    guest.close()
    assert len(made.said) == 2
    assert made.said[1] == "this machine's node of the Ray cluster has ended: waiting until the study is done"
