"""Registered models served by `headway serve` and `mlflow models serve`, in processes of their own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, call_headway
from tests.serving.asked import Case, Request, cases, check_same
from tests.serving.packages import store

SORTS = ["table", "images", "text", "several"]
MLFLOW = ("mlflow", "models", "serve", "--env-manager", "local", "--model-uri")
HEADWAY = ("pipeline", "serve")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(REPOSITORY / "MLproject", folder)
    return folder


@pytest.fixture(scope="module")
def registered(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Case]]:
    """A model of each sort, registered under its name."""
    with store(project) as client:
        found = cases(client, tmp_path_factory.mktemp("cases"))
        for name, case in found.items():
            client.create_registered_model(name)
            client.create_model_version(name, case.uri, model_id=case.uri.removeprefix("models:/"))
        yield found


@contextmanager
def serving(project: Path, command: tuple[str, ...], name: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of a registered model, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", *command, f"models:/{name}/1", "--port", str(port)],
        cwd=project, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(process, address)
        yield process, address
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)  # MLflow's command has the server as its child
        process.communicate()


def wait_for(process: subprocess.Popen[str], address: str) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"{address}/ping", timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.1)


def post(address: str, request: Request) -> tuple[int, str]:
    asked = urllib.request.Request(f"{address}/invocations", request[1], {"Content-Type": request[0]})
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_served_model_says_how_to_ask_it_and_ends_when_interrupted(
    project: Path, registered: dict[str, Case]
) -> None:
    with serving(project, HEADWAY, "table") as (process, address):
        assert process.stdout is not None
        first, example = process.stdout.readline(), process.stdout.readline()
        assert first == f"models:/table/1 answers at {address}/invocations until Ctrl-C; for example:\n"
        told = subprocess.run(["bash", "-c", example], capture_output=True, text=True, check=True)
        assert len(json.loads(told.stdout)["predictions"]) == 1
        request, expected = registered["table"].right["csv"]
        status, body = post(address, request)
        assert status == 200
        check_same(body, expected)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("command", [HEADWAY, MLFLOW], ids=["headway", "mlflow"])
@pytest.mark.parametrize("sort", SORTS)
def test_every_form_is_answered_as_headway_predicts_and_what_is_wrong_is_400(
    project: Path, registered: dict[str, Case], sort: str, command: tuple[str, ...]
) -> None:
    with serving(project, command, sort) as (_, address):
        for name, (request, expected) in registered[sort].right.items():
            status, body = post(address, request)
            assert status == 200, (name, body)
            check_same(body, expected)
        for name, request in registered[sort].wrong.items():
            status, body = post(address, request)
            assert status == 400, (name, body)
            # MLflow's command parses CSV before the model is asked.
            parsed = command == MLFLOW and name == "csv with abc"
            assert ("stack_trace" in json.loads(body)) == parsed, (name, body)
            assert command == MLFLOW or len(json.loads(body)["message"].splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("models:/none@champion",), 2, "no model models:/none@champion: "),
        (("none",), 2, "'none' is no model URI"),
        (("models:/table/1", "--host", "no.such.host.invalid"), 2, "--host no.such.host.invalid: no such address"),
    ],
)
def test_a_model_or_an_address_that_does_not_exist_is_one_line(
    project: Path, registered: dict[str, Case], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int,
    said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(project)
    told = call_headway("serve", *words, "--port", "0")
    assert (told.code, told.out, len(told.err.strip().splitlines())) == (code, "", 1)
    assert said in told.err


def test_a_port_in_use_is_one_line(project: Path, registered: dict[str, Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = call_headway("serve", "models:/table/1", "--port", str(port))
    assert (told.code, told.out) == (1, "")
    assert told.err == f"headway: port {port} of 127.0.0.1: address already in use; --port takes another\n"
