"""The MLflow store: its address, a check that it responds, and its schema."""

import atexit
import contextlib
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from filelock import FileLock

from pipeline.errors import Failure, UserError
from pipeline.sqlite import checkpoint_wal, enable_wal, remove_stale_logs
from pipeline.tracking.connection import check_reachable, check_responds
from pipeline.urls import redacted, sqlite_file, sqlite_url
from pipeline.user_cache import cache_folder, write_atomically

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
    return os.environ.get("MLFLOW_TRACKING_URI") or sqlite_url(project / "mlflow.db")


def prepare_environment() -> None:
    """Set the environment variables that mlflow reads on import, except those that the user has set."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It warns of missing pip in environments made by uv; models are logged with their own requirements.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)


def check_store(uri: str) -> None:
    """Check within seconds whether runs can be tracked in a store.

    Raises:
        UserError: MLflow cannot track runs at such an address.
        Failure: The store does not respond.
    """
    scheme = uri.split(":", 1)[0].split("+")[0]
    if scheme in ("http", "https"):
        check_responds(uri, "MLflow's tracking server")
    elif scheme in _DATABASES:
        check_reachable(uri, "MLflow's database")
        if file := sqlite_file(uri):
            _check_sqlite(file)
    elif scheme != "databricks":
        raise UserError(
            f"MLFLOW_TRACKING_URI {redacted(uri)}: runs are tracked in a database (sqlite:///mlflow.db, "
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


def create_store(project: Path, uri: str) -> None:
    """Create the project's sqlite store, if it is missing, from a template: MLflow takes 1.5 s to create its schema.

    The template was created by MLflow's own migrations of this version, and is in the user's cache. Without a cache
    MLflow creates the schema when it opens the file.
    """
    file = _inside(project, uri)
    if file is None or file.exists():
        return
    remove_stale_logs(file)
    if template := _template():
        write_atomically(file, partial(_copy, template, project))


def _inside(project: Path, uri: str) -> Path | None:
    """The file of a sqlite store in the project folder; None of another store."""
    file = sqlite_file(uri)
    return file.resolve() if file and file.resolve().is_relative_to(project.resolve()) else None


def _copy(template: Path, project: Path, file: Path) -> None:
    """Copy the template, and add MLflow's default experiment: MLflow pastes its folder, quotes too, into SQL."""
    shutil.copyfile(template, file)
    now = int(time.time() * 1000)
    with contextlib.closing(sqlite3.connect(file)) as base, base:
        base.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, "
            "last_update_time) VALUES (0, 'Default', ?, 'active', ?, ?)",
            ((project / "mlruns" / "0").resolve().as_uri(), now, now),
        )


def _template() -> Path | None:
    """Path of an empty database with the schema of this version of MLflow; None without a cache."""
    from mlflow.version import VERSION

    folder = cache_folder()
    if folder is None:
        return None
    path = folder / f"mlflow-{VERSION}.db"
    if not (path.exists() and _is_whole(path)) and not write_atomically(path, _make_schema):
        return None
    return path


def _make_schema(path: Path) -> None:
    """Create MLflow's tables, empty: MLflow adds its default experiment when it opens a store."""
    from mlflow.store.db.utils import _initialize_tables  # as its own stores do; tried with MLflow 3.10 to 3.17
    from sqlalchemy import create_engine

    engine = create_engine(sqlite_url(path))
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()


def _is_whole(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
            (found,) = base.execute("PRAGMA quick_check(1)").fetchone()
            (versions,) = base.execute("SELECT count(*) FROM alembic_version").fetchone()
            return bool(found == "ok" and versions == 1)
    except sqlite3.Error:
        return False


@contextmanager
def store_lock(project: Path, name: str) -> Iterator[None]:
    """Hold a lock of this project; other processes wait for it."""
    folder = project / ".headway" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock"):
        yield


def _check_sqlite(path: Path) -> None:
    if not path.parent.is_dir():
        raise UserError(f"MLFLOW_TRACKING_URI: no folder {path.parent} for {path.name}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise Failure(f"MLflow's database {path} cannot be written")
