"""A cluster is found, or one line says within seconds why not."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from pipeline.errors import Failure, UserError
from pipeline.training.workers.ray import cluster
from pipeline.training.workers.ray.cluster import Found, check_cluster, check_installed
from tests.training.workers.ray.made import ray_nodes

HERE = {
    "address": "10.0.0.1:6379", "ray": cluster.importlib.metadata.version("ray"),
    "python": cluster.platform.python_version(), "nodes": 2, "here": True,
}  # fmt: skip


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[bool, dict[str, Any]]:
    """What Ray answers without a token and with one."""
    given: dict[bool, dict[str, Any]] = {}
    monkeypatch.setattr(cluster, "_probed", lambda address, tokens: given[tokens])
    return given


def test_a_cluster_is_found_with_a_token_or_without(answers: dict[bool, dict[str, Any]]) -> None:
    answers[False] = HERE
    assert check_cluster("auto") == Found("10.0.0.1:6379", tokens=False)
    answers |= {False: {"problem": "token", "address": "10.0.0.1:6379"}, True: HERE}
    assert check_cluster("auto") == Found("10.0.0.1:6379", tokens=True)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"problem": "none"}, "--address auto: no cluster is running on this machine; start one with `ray start"),
        ({"problem": "token"}, "--address auto: the cluster does not accept the token of this machine: copy that of"),
        ({"problem": "other", "error": "RpcError"}, "--address auto: what answers there is no Ray cluster, or is over"),
        (HERE | {"ray": "1.0"}, "--address auto: the cluster has Ray 1.0, and this machine "),
        (HERE | {"python": "2.7.18"}, "--address auto: the cluster has Python 2.7.18, and this machine "),
        (
            HERE | {"here": False},
            "--address auto: this machine is no node of the cluster: join it with `ray start",
        ),
    ],
)
def test_what_is_wrong_is_said(answers: dict[bool, dict[str, Any]], answer: dict[str, Any], said: str) -> None:
    answers |= {False: answer, True: answer}
    with pytest.raises(Failure) as failed:
        check_cluster("auto")
    assert str(failed.value).startswith(said)


@pytest.mark.parametrize("address", ["10.0.0.1", "ray://there:10001", "there:", ":6379", "there:99999", "http://a:80"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(UserError, match=r"write HOST:PORT, such as 10.0.0.1:6379, or auto"):
        check_cluster(address)


def test_where_nothing_listens_it_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Failure, match=f"--address 127.0.0.1:{port}: nothing can be reached there .connection refused"):
        check_cluster(f"127.0.0.1:{port}")
    with pytest.raises(Failure, match=r"--address nowhere.invalid:6379: nothing can be reached there"):
        check_cluster("nowhere.invalid:6379")


def test_without_ray_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"--engine ray: Ray is not installed; pip install 'headway\[ray\]'"):
        check_installed()


def test_a_probe_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: Any, timeout: float, **__: Any) -> None:
        raise subprocess.TimeoutExpired("probe", timeout)

    monkeypatch.setattr(cluster.subprocess, "run", endless)
    monkeypatch.setattr(cluster, "_check_answers", lambda *_: None)
    with pytest.raises(Failure, match=r"what answers there is no Ray cluster, or is overloaded .no answer of Ray's"):
        check_cluster("10.0.0.1:6379")


@pytest.fixture
def web() -> Iterator[str]:
    """The address of a server of web pages."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.mark.slow
def test_another_service_is_no_cluster(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failure, match="what answers there is no Ray cluster, or is overloaded"):
        check_cluster(web)


@pytest.mark.slow
def test_a_real_cluster_is_found_by_its_address_and_by_auto() -> None:
    with ray_nodes(1) as real:
        assert check_cluster(real.address) == check_cluster("auto") == Found(real.address, tokens=False)


@pytest.mark.slow
def test_a_real_cluster_with_tokens_is_found_by_who_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "1" * 64)
    with ray_nodes(1, mode="token") as real:
        assert check_cluster(real.address) == Found(real.address, tokens=True)
        monkeypatch.setenv("RAY_AUTH_TOKEN", "2" * 64)
        with pytest.raises(Failure, match="the cluster does not accept the token of this machine"):
            check_cluster(real.address)
