import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

from pipeline import sqlite
from pipeline.errors import Failure, UserError
from pipeline.tuning import storage
from pipeline.tuning.storage import check_storage, connect, storage_failures
from pipeline.tuning.study import open_study
from pipeline.urls import redacted

from .studies import digits, searched, values_of

SECRET = "pa/s:s"


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("nonsense", "is no database address"),
        (f"oracle9://me:{SECRET}@host/name", "kind that is not known"),
        (f"firebird+fdb://me:{SECRET}@host/name", "kind that is not known"),
        (f"mysql+cymysql://me:{SECRET}@host/name", "needs the package cymysql"),
        (f"postgresql://me:{SECRET}@host:port/name", "is no database address"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///no/such/folder/optuna.db", "create no/such/folder"),
        ("journal:///no/such/folder/journal.log", "create /no/such/folder"),
    ],
)
def test_a_wrong_address_is_a_users_mistake_in_one_line_without_the_password(url: str, line: str) -> None:
    for tried in (check_storage,) if "journal" in url or "sqlite" in url else (check_storage, connect):
        with pytest.raises(UserError, match=line) as caught:
            tried(url)
        assert SECRET not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_checking_a_storage_creates_nothing(tmp_path: Path) -> None:
    check_storage(f"sqlite:///{tmp_path}/optuna.db")
    check_storage(f"journal://{tmp_path}/journal.log")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_study_passes_the_check(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/optuna.db", f"journal://{tmp_path}/journal.log"):
        open_study("name", url, tmp_path / "lock")
        check_storage(url)


def test_a_file_that_is_no_database_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "optuna.db"
    file.write_text("no database " * 100)
    for tried in (check_storage, connect):
        with pytest.raises(Failure, match=r"cannot be used \(file is not a database\)"):
            tried(f"sqlite:///{file}")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_storage_that_does_not_answer_is_known_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_KNOWN_WITHIN_S", 0.05)
    monkeypatch.setattr(storage, "_try_connecting", lambda *_: time.sleep(1.0))
    monkeypatch.setattr(storage, "_parsed", storage.make_url)  # whether or not a driver is installed
    with pytest.raises(Failure, match=r"postgresql://host/name did not answer within") as caught:
        check_storage(f"postgresql://me:{SECRET}@host/name?password={SECRET}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("address", ["me:{}@127.0.0.1:{}/name", "127.0.0.1:{1}/name?user=me&password={0}"])
def test_a_database_that_is_not_there_is_a_failure_without_the_password(address: str) -> None:
    pytest.importorskip("psycopg")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for tried in (check_storage, connect):
        with pytest.raises(Failure, match="cannot be used") as caught:
            tried("postgresql+psycopg://" + address.format(SECRET, port))
        assert SECRET not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_database_that_never_says_a_word_is_a_failure(silent_port: int) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(Failure, match=r"did not answer|cannot be used"):
        check_storage(f"postgresql+psycopg://me:{SECRET}@127.0.0.1:{silent_port}/name")


def test_what_a_driver_says_is_shown_without_secrets() -> None:
    url = f"postgresql+psycopg://me:{SECRET}@host/name?password=other"
    said = OperationalError("", {}, Exception(f"no {SECRET} nor\nother"))
    problem = storage._unusable(url, storage.make_url(url), said)
    assert "(no *** nor ***)" in str(problem)


def test_an_address_is_shown_without_user_password_and_options() -> None:
    assert (
        redacted(f"postgresql+psycopg://me:{SECRET}@host:5432/name?password=x") == "postgresql+psycopg://host:5432/name"
    )
    assert redacted("sqlite:///optuna.db") == "sqlite:///optuna.db"
    assert redacted(f"postgresql://me:{SECRET}@host:port/name") == "postgresql://host:port/name"
    assert redacted(f"me:{SECRET}@host/name") == "..."


def test_a_storage_lost_on_the_way_is_one_line() -> None:
    lost = StorageInternalError("An exception is raised during the commit.")
    lost.__cause__ = OperationalError("", {}, Exception("server closed\nthe connection"))
    with pytest.raises(Failure, match=r"storage failed \(server closed the connection\): --resume"), storage_failures():
        raise lost


def test_a_journal_file_keeps_the_same_study(tmp_path: Path, prepared) -> None:
    experiment = digits({"tuning.trials": 8})
    reference = searched(experiment, prepared, tmp_path / "sqlite")
    journal = searched(experiment, prepared, tmp_path / "journal", url=f"journal://{tmp_path}/journal.log")
    assert values_of(journal).equals(values_of(reference))


def test_whoever_reads_a_sqlite_study_holds_up_nobody(tmp_path: Path) -> None:
    study = open_study("name", f"sqlite:///{tmp_path}/optuna.db", tmp_path / "lock")
    with closing(sqlite3.connect(tmp_path / "optuna.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM trials").fetchone() == (0,)
        study.ask()
        assert reader.execute("SELECT count(*) FROM trials").fetchone() == (0,)
    assert len(study.trials) == 1


def test_a_sqlite_study_on_a_networks_disk_works_as_sqlite_does_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_MOUNTS", tmp_path / "none")
    study = open_study("name", f"sqlite:///{tmp_path}/optuna.db", tmp_path / "lock")
    study.ask()
    with closing(sqlite3.connect(tmp_path / "optuna.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
