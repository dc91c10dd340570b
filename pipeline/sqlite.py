"""Sqlite's write-ahead log (WAL), if it is safe for a file.

By default sqlite flushes the disk three or four times per commit (20 ms on a busy one), and readers block writers. With
a write-ahead log a commit takes one flush or none, and readers such as a dashboard block nobody.
"""

import contextlib
import sqlite3
from contextlib import closing
from pathlib import Path

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
