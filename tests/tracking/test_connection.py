"""Unreachable stores are known at once, and no password is ever shown."""

import socket
from pathlib import Path

import pytest

from pipeline.errors import Failure, UserError
from pipeline.tracking.connection import check_reachable, check_responds
from pipeline.tracking.store import check_store
from pipeline.urls import redacted


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql+psycopg://user:secret@db.example:5432/runs?sslmode=x",
            "postgresql+psycopg://db.example:5432/runs",
        ),
        ("http://user:secret@host/path", "http://host/path"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_an_address_is_shown_without_user_and_password(url: str, expected: str) -> None:
    assert redacted(url) == expected


def test_a_host_that_answers_is_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_reachable(f"http://127.0.0.1:{server.getsockname()[1]}", "it")


def test_a_closed_port_is_a_failure_without_the_password() -> None:
    with pytest.raises(Failure, match="cannot be reached") as failure:
        check_reachable("http://user:secret@127.0.0.1:9", "it")
    assert "secret" not in str(failure.value)


def test_a_server_that_takes_connections_and_says_nothing_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tracking.connection.TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(Failure, match="does not answer") as failure:
        check_responds(f"http://user:secret@127.0.0.1:{server.getsockname()[1]}", "it")
    assert "secret" not in str(failure.value)


def test_a_file_store_is_a_mistake() -> None:
    with pytest.raises(UserError, match="kept in a database"):
        check_store("file:///tmp/mlruns")


def test_a_sqlite_file_in_no_folder_is_a_mistake() -> None:
    with pytest.raises(UserError, match="no folder"):
        check_store("sqlite:////nowhere/at/all.db")


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:mlflow.db", "sqlite:///"])
def test_a_database_that_is_no_file_is_a_mistake(uri: str) -> None:
    with pytest.raises(UserError, match="names no file, so all would be lost"):
        check_store(uri)


def test_a_wrong_registry_is_known_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "garbage")
    with pytest.raises(UserError, match="MLFLOW_REGISTRY_URI garbage: runs and models are kept in a database"):
        check_store(f"sqlite:///{tmp_path}/mlflow.db")
