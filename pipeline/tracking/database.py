"""MLflow's database in the project's folder: made whole, mended if it is half-made, and moved along with the folder."""

import shutil
import sqlite3
import time
from contextlib import closing
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.errors import Failure
from pipeline.sqlite import make_database, reason
from pipeline.tracking.tags import PROJECT
from pipeline.urls import sqlite_url
from pipeline.user_cache import cache_folder, write_atomically

_BUSY_S = 20.0  # as MLflow
_STILL_S = 5.0  # after so long without a change nobody is making a database
_OF_AN_EMPTY_ONE = {"alembic_version": 1, "experiments": 1, "workspaces": 1}
"""Rows of the tables that are not empty before the first run."""
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("trace_tags", "value"),
)
"""Where MLflow keeps absolute addresses of artifacts; earlier versions lack some of the tables."""


def ready(file: Path, project: Path) -> list[str]:
    """Make the database of a project, or mend it, and let its addresses be those of the project's folder.

    No other process may do so at the same time.

    Returns:
        Sentences on what was wrong with it; empty for a new one and for one that was in order.

    Raises:
        Failure: The file is no database, or cannot be written.
    """
    try:
        return [line for line in (_made(file), _moved(file, project)) if line]
    except sqlite3.Error as error:
        raise Failure(f"MLflow's database {file} cannot be used ({reason(error)})") from error


def _made(file: Path) -> str:
    """Make a missing database, and one that a killed process or a full disk left half-made; bring an old one up."""
    if not file.exists():
        make_database(file, _make_empty)
        return ""
    if _is_current(file) or _becomes_current(file):
        return ""
    if _is_empty(file):
        make_database(file, _make_empty)
        return f"{file} was left half-made, with nothing in it: it was made again"
    make_database(file, lambda new: _upgrade(file, new))
    return f"{file} was of another version of MLflow: it has the tables of this one now"


def _becomes_current(file: Path) -> bool:
    """Whether another program is making the database at this moment; waits until it is done, or changes nothing."""
    seen, since = file.stat(), time.monotonic()
    while time.monotonic() - since < _STILL_S:
        time.sleep(_STILL_S / 20)
        if _is_current(file):
            return True
        now = file.stat()
        if (now.st_mtime_ns, now.st_size) != (seen.st_mtime_ns, seen.st_size):
            seen, since = now, time.monotonic()
    return False


def _make_empty(new: Path) -> None:
    """Copy the template: MLflow takes 1.5 s to create its schema."""
    if template := _template():
        shutil.copyfile(template, new)
    else:
        _make_schema(new)


def _upgrade(old: Path, new: Path) -> None:
    """Copy a database and bring the copy's schema up, which cannot be interrupted without harm."""
    with closing(_opened(old)) as source, closing(sqlite3.connect(new)) as target:
        source.backup(target)
    _make_schema(new)


def _template() -> Path | None:
    """Path of an empty database with the schema of this version of MLflow in the user's cache; None without a cache.

    MLflow's own migrations created it.
    """
    path = _template_path()
    if path is None or (path.exists() and _is_whole(path)):
        return path
    try:
        return path if write_atomically(path, _make_schema) else None
    except Exception:  # of a full disk, which only costs time here
        return None


def _template_path() -> Path | None:
    from mlflow.version import VERSION

    folder = cache_folder()
    return folder / f"mlflow-{VERSION}.db" if folder else None


def _make_schema(path: Path) -> None:
    """Create MLflow's tables, or bring them up; MLflow adds its default experiment when it opens a store."""
    from mlflow.store.db.utils import _initialize_tables  # as its own stores do; tried with MLflow 3.10 to 3.17
    from sqlalchemy import create_engine

    engine = create_engine(sqlite_url(path))
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()


def _is_whole(path: Path) -> bool:
    try:
        with closing(_opened(path)) as base:
            (found,) = base.execute("PRAGMA quick_check(1)").fetchone()
            return bool(found == "ok" and _revision(base))
    except sqlite3.Error:
        return False


def _is_current(file: Path) -> bool:
    with closing(_opened(file)) as base:
        return _revision(base) == _current_revision()


@cache
def _current_revision() -> str:
    """Revision of this MLflow's schema; its template says so sooner than MLflow does."""
    path = _template_path()
    if path and path.exists() and _is_whole(path):
        with closing(_opened(path)) as base:
            return str(_revision(base))
    from mlflow.store.db.utils import _get_latest_schema_revision

    return str(_get_latest_schema_revision())


def _revision(base: sqlite3.Connection) -> str | None:
    """Revision of a database's schema; None where its making has not come so far."""
    if not _has(base, "alembic_version", "version_num"):
        return None
    found = base.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(found[0][0]) if len(found) == 1 else None


def _is_empty(file: Path) -> bool:
    """Whether nothing was tracked in a database."""
    with closing(_opened(file)) as base:
        tables = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {name: base.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}  # noqa: S608
    return all(count <= _OF_AN_EMPTY_ONE.get(name, 0) for name, count in counts.items())


def _has(base: sqlite3.Connection, table: str, column: str) -> bool:
    return any(name == column for _, name, *_ in base.execute(f"PRAGMA table_info({table})"))


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None)


def _moved(file: Path, project: Path) -> str:
    """Let the addresses of artifacts follow the project's folder, where it was moved or copied."""
    with closing(_opened(file)) as base:
        before = _folder(base)
        if before == project or (before and _is_same(before, project)):
            return ""
        base.execute("BEGIN IMMEDIATE")
        changed = _replace(base, before, project) if before else 0
        _record(base, project)
        base.execute("COMMIT")
    return f"the project lay in {before} before: MLflow's addresses of its artifacts were changed" if changed else ""


def _folder(base: sqlite3.Connection) -> Path | None:
    """Where the project lay when its database was last used; None if that is not known.

    Databases of earlier versions have no record of it: Headway's experiments keep artifacts in `mlruns`, those of
    MLflow in a folder of that.
    """
    if found := base.execute("SELECT value FROM experiment_tags WHERE key = ?", (PROJECT,)).fetchone():
        return Path(found[0])
    addresses = base.execute("SELECT artifact_location FROM experiments ORDER BY experiment_id").fetchall()
    paths = [path for (address,) in addresses if (path := _path(address))]
    folders = [path for path in (*paths, *(path.parent for path in paths)) if path.name == "mlruns"]
    return folders[0].parent if folders else None


def _path(address: str) -> Path | None:
    """The local path of an artifact's address."""
    path = Path(url2pathname(urlsplit(address).path) if address.startswith("file:") else address)
    return path if path.is_absolute() else None


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same folder, such as a mount of it."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def _replace(base: sqlite3.Connection, before: Path, project: Path) -> int:
    """Replace a folder in the addresses of all that lies in it; return how many were changed."""
    changed = 0
    for old, new in {
        str(before): str(project),
        f"file://{before}": project.as_uri(),
        before.as_uri(): project.as_uri(),
    }.items():
        for table, column in _ADDRESSES:
            if _has(base, table, column):
                changed += base.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608
                    (new, len(old) + 1, len(old) + 1, f"{old}/"),
                ).rowcount
    return changed


def _record(base: sqlite3.Connection, project: Path) -> None:
    """Record where the project lies, as a tag of the first experiment; MLflow would make that in the working folder."""
    now, location = int(time.time() * 1000), (project / "mlruns" / "0").as_uri()
    if not base.execute("SELECT count(*) FROM experiments").fetchone()[0]:
        base.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, "
            "last_update_time) VALUES (0, 'Default', ?, 'active', ?, ?)",
            (location, now, now),
        )
    base.execute("DELETE FROM experiment_tags WHERE key = ?", (PROJECT,))
    base.execute(
        "INSERT INTO experiment_tags (key, value, experiment_id) SELECT ?, ?, min(experiment_id) FROM experiments",
        (PROJECT, str(project)),
    )
