"""Optuna's storage: sqlite by default, any database that SQLAlchemy supports, or a journal file."""

import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from pipeline.deadline import LateError, answer_within
from pipeline.errors import Failure, UserError
from pipeline.files import check_regular
from pipeline.sqlite import enable_wal
from pipeline.tuning.database import Database
from pipeline.tuning.patience import Patience, reason
from pipeline.urls import redacted

_JOURNAL = "journal://"
_KNOWN_WITHIN_S = 5.0
_CONNECT_S = 4
_LOCKED_S = 60  # how long sqlite waits for another process, such as a dashboard
_PATIENT_S = 5  # the same where it is waited for on, and said
_KEPT_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
_TIMEOUTS = {
    "sqlite": "timeout", "psycopg": "connect_timeout", "psycopg2": "connect_timeout", "pg8000": "timeout",
    "pymysql": "connect_timeout", "mysqldb": "connect_timeout", "mysqlconnector": "connection_timeout",
}  # fmt: skip
_EXAMPLE = "write for example sqlite:///optuna.db or postgresql+psycopg://user:password@host/name"


def check_storage(url: str) -> None:
    """Check within seconds whether a storage can be used, without creating anything.

    Raises:
        UserError: The URL is invalid, of an unknown kind, or needs a package that is not installed.
        Failure: The storage does not respond in time, or refuses the connection.
    """
    if url.startswith(_JOURNAL):
        _check_file(Path(url.removeprefix(_JOURNAL)), url)
        return
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite" and not _check_file(Path(parsed.database or ""), url):
        return
    try:
        answer_within(_KNOWN_WITHIN_S, lambda: _try_connecting(parsed))
    except LateError:
        said = f"did not answer within {_KNOWN_WITHIN_S:.0f} s: start it, or correct its address"
        raise Failure(_line(url, said)) from None
    except Exception as error:  # each driver has errors of its own
        raise _unusable(url, parsed, error) from None


def connect(url: str, patience: Patience | None = None) -> BaseStorage:
    """Open a storage; missing tables of a database are created.

    Args:
        url: Of the storage.
        patience: Waits while a database is away; without it that is a failure at once.

    Raises:
        UserError: As in `check_storage`.
        Failure: It cannot be reached, or its tables are of another version of Optuna.
    """
    if url.startswith(_JOURNAL):
        return JournalStorage(JournalFileBackend(url.removeprefix(_JOURNAL)))
    parsed = _parsed(url)
    try:
        storage = Database(url, _engine(parsed, patience is not None), patience or Patience(print, 0.0))
    except (SQLAlchemyError, RuntimeError) as error:
        raise _unusable(url, parsed, error) from None
    weakref.finalize(storage, storage.engine.dispose)  # else its connections are not closed
    return storage


@contextmanager
def storage_failures() -> Iterator[None]:
    """Turn a storage's exceptions into a `Failure` with one line."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        raise Failure(f"the study's storage failed ({reason(error)}): --resume goes on from the last batch") from error


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect().import_dbapi()
    except NoSuchModuleError:
        raise UserError(_line(url, f"is of a kind that is not known here; {_EXAMPLE}")) from None
    except ImportError as error:
        postgres = "postgres" in url.split(":")[0]
        hint = "; for PostgreSQL install headway[postgres] and write postgresql+psycopg://" if postgres else ""
        raise UserError(_line(url, f"needs the package {error.name}, which is not installed{hint}")) from None
    except (ArgumentError, ValueError):
        raise UserError(_line(url, f"is no database address; {_EXAMPLE}")) from None
    return parsed


def _check_file(path: Path, url: str) -> bool:
    """Whether a file-based storage exists already; its folder must exist."""
    if path.name in ("", ":memory:"):
        raise UserError(_line(url, "names no file, so the study would be lost; write for example sqlite:///optuna.db"))
    if not path.parent.is_dir():
        raise UserError(_line(url, f"lies in a folder that does not exist: create {path.parent}"))
    check_regular(path, "tuning.storage")
    try:
        if path.exists():
            path.open("rb").close()
    except OSError as error:
        raise Failure(_line(url, f"cannot be opened ({error.strerror})")) from None
    return path.exists()


def _try_connecting(parsed: URL) -> None:
    engine = create_engine(parsed, poolclass=NullPool, connect_args=_timeout(parsed, _CONNECT_S))
    with engine.connect() as connection:
        # sqlite opens a file only on a query.
        sqlite = parsed.get_backend_name() == "sqlite"
        connection.execute(text("PRAGMA schema_version" if sqlite else "SELECT 1"))


def _engine(parsed: URL, patient: bool) -> dict[str, Any]:
    """SQLAlchemy's options for the connections."""
    if parsed.get_backend_name() != "sqlite":
        # A connection may have been closed while a batch was trained: it is tested before use.
        return {"pool_pre_ping": True, "connect_args": _timeout(parsed, _CONNECT_S) | _postgres(parsed)}
    ahead = not parsed.query and enable_wal(Path(parsed.database or ""))
    locked_s = _PATIENT_S if patient else _LOCKED_S
    return {"connect_args": _timeout(parsed, locked_s) | ({"factory": _RelaxedConnection} if ahead else {})}


def _postgres(parsed: URL) -> dict[str, Any]:
    """Options of PostgreSQL's driver: a network that fails is noticed, and no lock outlives a process that hangs."""
    if parsed.get_backend_name() != "postgresql" or parsed.get_dialect().driver not in ("psycopg", "psycopg2"):
        return {}
    own = {} if "options" in parsed.query else {"options": "-c idle_in_transaction_session_timeout=60000"}
    return own | {name: value for name, value in _KEPT_ALIVE.items() if name not in parsed.query}


class _RelaxedConnection(sqlite3.Connection):
    """A connection that does not wait for the write-ahead log to reach the disk.

    Nothing is lost when a process is killed, and the file is intact even after a power failure; results of the moments
    before it are then computed again, with the same values.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA synchronous=NORMAL")


def _timeout(parsed: URL, seconds: int) -> dict[str, Any]:
    driver = parsed.get_dialect().driver
    name = "sqlite" if parsed.get_backend_name() == "sqlite" else driver
    return {_TIMEOUTS[name]: seconds} if name in _TIMEOUTS else {}


def _unusable(url: str, parsed: URL, error: Exception) -> Failure:
    """A failure with a driver's or Optuna's message, without secrets."""
    said = reason(error)
    for secret in (parsed.password, *(it for value in parsed.query.values() for it in _listed(value))):
        said = said.replace(str(secret), "***") if secret else said
    return Failure(_line(url, f"cannot be used ({said}): start it, or correct its address"))


def _line(url: str, problem: str) -> str:
    return f"tuning.storage {redacted(url)} {problem}"


def _listed(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
