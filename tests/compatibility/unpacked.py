"""Projects as the recorded commit left them, moved to another folder."""

import socket
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import empty_database

from .make import HERE, HOME, PROCESSES, replace_in_database

ONE_SPLIT = ("--set", "data.test=0.2")
"""What was the default when they were recorded."""


def unpacked(name: str, parent: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Unpack a project and go there.

    MLflow's paths are absolute: whoever moves a project rewrites them in its database, and brings that to the schema of
    a newer MLflow. Unfinished runs look as if this machine had been restarted since.
    """
    with tarfile.open(HERE / f"{name}.tar.xz") as archive:
        archive.extractall(parent, filter="data")
    project, base = parent / name, parent / name / "mlflow.db"
    replace_in_database(base, HOME, str(project))
    replace_in_database(base, PROCESSES, f"{socket.gethostname()}@before")
    current = parent / "empty.db"
    current.write_bytes(empty_database())
    if _schema(base) != _schema(current):
        _upgrade(base)
    monkeypatch.chdir(project)
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    return project


def _schema(base: Path) -> str:
    with closing(sqlite3.connect(base)) as connection:
        (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(version)


def _upgrade(base: Path) -> None:
    """What `mlflow db upgrade` does."""
    from mlflow.store.db.utils import _upgrade_db
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{base}")
    _upgrade_db(engine)
    engine.dispose()
