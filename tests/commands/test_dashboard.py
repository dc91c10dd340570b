"""Optuna's dashboard on a project's studies: what is served, to whom, and what is said where it cannot be."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

pytest.importorskip("optuna_dashboard")

from pipeline.commands.dashboard import _app, _listening
from pipeline.errors import Failure
from pipeline.tuning.study import describe, open_study
from tests.conftest import REPOSITORY, Headway
from tests.tuning.studies import digits


@pytest.fixture
def storage(project: Path) -> str:
    """That of the project: two studies of digits, of which the newer is an arm's, and one of another experiment."""
    url = f"sqlite:///{project / 'optuna.db'}"
    for name, arm in (("digits-0123456789ab", ""), ("digits-ba9876543210", "upgrad")):
        describe(open_study(name, url, project / "lock"), digits(), arm, {})
    open_study("digits-more-0123456789ab", url, project / "lock")
    return url


@pytest.fixture
def address(storage: str) -> Iterator[str]:
    app, study = _app(storage, "digits")
    assert study == 1
    with _listening(app, "127.0.0.1", 0) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def got(address: str, host: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(address, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_study_is_served_with_the_name_of_its_objective_and_its_attributes(address: str) -> None:
    code, text = got(f"{address}/api/studies/1")
    study: dict[str, Any] = json.loads(text)
    assert (code, study["objective_names"]) == (200, ["validation/all/objective"])
    assert {"key": "experiment", "value": "digits"} in study["user_attrs"]
    assert got(f"{address}/dashboard/studies/1")[0] == 200


@pytest.mark.parametrize(("host", "code"), [("localhost:1", 200), ("[::1]:1", 200), ("example.org", 403)])
def test_it_answers_to_names_of_this_machine_only(address: str, host: str, code: int) -> None:
    assert got(f"{address}/api/studies", host)[0] == code


def test_a_study_of_an_earlier_version_is_known_by_its_name(storage: str) -> None:
    assert _app(storage, "digits-more")[1] == 3
    assert _app(storage, "")[1] is None
    with pytest.raises(Failure, match=r"no study of digit in sqlite:.*: headway tune digit makes one"):
        _app(storage, "digit")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["digits"], 1, "there is no study of digits in "),
        ([], 1, "there is no study in "),
        (["no_such"], 2, "no_such"),
        (["digits", "--set", "tuning=null"], 2, "digits searches nothing"),
        (["digits", "--set", "tuning.storage=sqlite:///no/such.db"], 2, "create "),
        (["digits", "--port", "70000"], 2, "--port"),
        (["--set", "seed=1"], 2, "Missing argument 'EXPERIMENT'"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    project: Path, headway: Headway, words: list[str], code: int, said: str
) -> None:
    told = headway("dashboard", *words)
    assert (told.code, told.out, told.err.count("\n")) == (code, "", 1)
    assert said in told.err
    assert not (project / "optuna.db").exists()


def test_a_port_in_use_and_a_host_that_is_none_are_one_line_each(storage: str, headway: Headway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = headway("dashboard", "digits", "--port", str(port))
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith(f"headway: port {port} of 127.0.0.1 is in use: --port ")
    told = headway("dashboard", "digits", "--host", "no.such.invalid", "--port", "0")
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)


def test_without_the_extra_it_says_what_to_install(
    project: Path, headway: Headway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.commands.dashboard.find_spec", lambda _: None)
    told = headway("dashboard", "digits")
    assert (told.code, told.err) == (
        1, "headway: headway dashboard needs the package optuna-dashboard: pip install 'headway[dashboard]'\n"
    )  # fmt: skip


def test_ctrl_c_ends_it_at_once(storage: str, project: Path) -> None:
    program = [sys.executable, "-m", "pipeline", "dashboard", "digits", "--port", "0", "--json"]
    env = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(program, cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = json.loads(process.stdout.readline())
        assert told["storage"] == storage
        assert got(told["address"])[0] == 200
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()
        assert process.stderr.read() == b""
