"""Sqlite files: made whole or not at all, and with a write-ahead log (WAL) where it is safe.

By default sqlite flushes the disk three or four times per commit (20 ms on a busy one), and readers block writers. With
a write-ahead log a commit takes one flush or none, and readers such as a dashboard block nobody.
"""

import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pipeline.errors import Failure
from pipeline.user_cache import to_disk

_MOUNTS = Path("/proc/self/mounts")
_LOCAL = {"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"}
_BUSY_S = 1.0


def enable_wal(file: Path) -> bool:
    """Turn on the write-ahead log of a file permanently; a missing file is created.

    All processes that open such a file must share memory, so a file that may be on a network disk is not changed.

    Returns:
        Whether the log is on.
    """
    if not _is_local(file):
        return False
    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_S)) as connection:
            return bool(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal")
    except sqlite3.Error:  # in use, or no database: whoever opens it next reports that
        return False


def make_database(file: Path, make: Callable[[Path], None]) -> None:
    """Make a database beside its place and move it there once it is on the disk: it is whole at every moment.

    No other process may make the same file meanwhile.

    Args:
        file: Path of the database; it replaces one that exists.
        make: Function that writes the database to the path that it is given, and closes it.

    Raises:
        Failure: It cannot be made, because the disk is full for example; what exists stays as it is.
    """
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)  # of a process that was killed
    remove_stale_logs(new)
    try:
        if file.exists():
            with closing(_opened(file)) as old:  # its logs would be applied to the new one
                old.execute("PRAGMA journal_mode=DELETE")
        else:
            remove_stale_logs(file)
        make(new)
        to_disk(new)
        new.replace(file)
    except Exception as error:  # of the system, of sqlite, or of a library that makes the tables
        raise Failure(f"the database {file} cannot be made ({reason(error)})") from error
    finally:
        new.unlink(missing_ok=True)
        remove_stale_logs(new)
    with contextlib.suppress(OSError):  # not possible on every system
        to_disk(file.parent)


def reason(error: BaseException) -> str:
    """The cause of a database's error, as its driver or the system says it, in one line."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "strerror", None) or " ".join(str(cause).split()) or type(cause).__name__


def checkpoint_wal(file: Path) -> None:
    """Write the log into the file, unless readers prevent it, so that the file alone is complete."""
    with contextlib.suppress(sqlite3.Error), closing(_opened(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def remove_stale_logs(file: Path) -> None:
    """Remove the logs of a missing file: sqlite would apply them to a new file of its name."""
    if not file.exists():
        for end in ("-wal", "-shm", "-journal"):
            file.with_name(file.name + end).unlink(missing_ok=True)


def _opened(file: Path) -> sqlite3.Connection:
    """Open an existing file, without creating a missing one."""
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S)


def _is_local(file: Path) -> bool:
    """Whether a file is known to be on a local disk."""
    if not _MOUNTS.is_file():
        return False
    path = file.resolve()
    mounts = (line.split()[1:3] for line in _MOUNTS.read_text().splitlines())
    over = [(len(Path(point).parts), kind) for point, kind in mounts if path.is_relative_to(point)]
    # Of several mounts at one point the last is on top.
    return bool(over) and sorted(over, key=lambda it: it[0])[-1][1] in _LOCAL
