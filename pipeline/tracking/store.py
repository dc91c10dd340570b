"""The MLflow store: its address, a check that it responds, and its schema."""

import atexit
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import Failure, UserError
from pipeline.sqlite import checkpoint_wal, enable_wal
from pipeline.tracking.connection import check_reachable, check_responds
from pipeline.tracking.database import ready
from pipeline.urls import redacted, sqlite_file, sqlite_url

_STORE = "MLFLOW_TRACKING_URI"
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Report a server that stops responding, instead of waiting for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


def tracking_uri(project: Path) -> str:
    """URI of the store: MLFLOW_TRACKING_URI, or mlflow.db in the project folder."""
    return os.environ.get(_STORE) or sqlite_url(project / "mlflow.db")


def prepare_environment() -> None:
    """Set the environment variables that mlflow reads on import, except those that the user has set."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It warns of missing pip in environments made by uv; models are logged with their own requirements.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it prints what it raises, with a traceback


def check_store(uri: str) -> None:
    """Check within seconds whether runs can be tracked in a store, and models registered in MLFLOW_REGISTRY_URI.

    Raises:
        UserError: MLflow cannot track runs, or register models, at such an address.
        Failure: The store does not respond.
    """
    _check(_STORE, uri)
    if (registry := os.environ.get("MLFLOW_REGISTRY_URI")) and registry != uri:
        _check("MLFLOW_REGISTRY_URI", registry)


def _check(variable: str, uri: str) -> None:
    scheme = uri.split(":", 1)[0].split("+")[0]
    if scheme in ("http", "https"):
        check_responds(uri, "MLflow's tracking server")
    elif scheme == "sqlite":
        _check_sqlite(variable, uri)
    elif scheme in _DATABASES:
        check_reachable(uri, "MLflow's database")
    elif scheme not in ("databricks", "databricks-uc"):
        raise UserError(
            f"{variable} {redacted(uri)}: runs and models are kept in a database (sqlite:///mlflow.db, "
            "postgresql://...) or on a server (http://...)"
        )


def use_write_ahead_log(project: Path, uri: str) -> None:
    """Turn on sqlite's write-ahead log if the store is a file in the project; other files are not changed.

    MLflow leaves its connections open, so the log is checkpointed when this process ends; the file can then be copied
    alone.
    """
    file = _inside(project, uri)
    if file and enable_wal(file):
        atexit.register(checkpoint_wal, file)


def ready_store(project: Path, uri: str) -> list[str]:
    """Make the project's sqlite store ready to be opened, see `pipeline.tracking.database`; others are left alone.

    Returns:
        Sentences on what was wrong with it.

    Raises:
        Failure: It is no database, or cannot be written.
    """
    file = _inside(project, uri)
    return ready(file, project.resolve()) if file else []


def _inside(project: Path, uri: str) -> Path | None:
    """The file of a sqlite store in the project folder; None of another store."""
    file = sqlite_file(uri)
    return file.resolve() if file and file.resolve().is_relative_to(project.resolve()) else None


@contextmanager
def store_given_back() -> Iterator[None]:
    """Let MLflow's current store, and what the environment says of it, be afterwards what they were before."""
    before = os.environ.get(_STORE)
    try:
        yield
    finally:
        if mlflow := sys.modules.get("mlflow"):
            mlflow.set_tracking_uri(None)
        os.environ.pop(_STORE, None)
        if before is not None:
            os.environ[_STORE] = before


@contextmanager
def store_lock(project: Path, name: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock of this project; other processes wait for it.

    Args:
        project: The project folder.
        name: Of the lock.
        waiting: Called where another process holds it, before that is waited for.
    """
    folder = project / ".headway" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(blocking=waiting is None)
    except Timeout:
        assert waiting is not None
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _check_sqlite(variable: str, uri: str) -> None:
    path = sqlite_file(uri)
    if path is None or path.name in ("", ":memory:"):
        raise UserError(f"{variable} {uri} names no file, so all would be lost: write for example sqlite:///mlflow.db")
    if not path.parent.is_dir():
        raise UserError(f"{variable}: no folder {path.parent} for {path.name}")
    # Beside the file sqlite writes its log.
    if not all(os.access(it, os.W_OK) for it in (path, path.parent) if it.exists()):
        raise Failure(f"MLflow's database {path} cannot be written")
