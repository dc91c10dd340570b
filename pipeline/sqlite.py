"""Sqlite files: write-ahead logging where it is safe.

By default sqlite flushes the disk three or four times a commit (20 ms on a busy one), and whoever reads holds up who
writes. Logged ahead, a commit takes one flush or none, and readers such as a dashboard hold up nobody.
"""

import contextlib
import sqlite3
from contextlib import closing
from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
_LOCAL = {"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"}
_BUSY_S = 1.0


def enable_wal(file: Path) -> bool:
    """Turn write-ahead logging on, which a file keeps from then on; one that is missing is made.

    All who open such a file must share memory, so a file that may lie on a network's disk stays as it is.

    Returns:
        Whether it is on.
    """
    if not _is_local(file):
        return False
    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_S)) as connection:
            return bool(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal")
    except sqlite3.Error:  # in use, or no database: whoever opens it next says what is wrong
        return False


def checkpoint_wal(file: Path) -> None:
    """Bring what lies in the log into the file, as far as nobody reads it: then the file alone is all there is."""
    with contextlib.suppress(sqlite3.Error), closing(_opened(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def remove_stale_logs(file: Path) -> None:
    """Remove the logs of a file that is gone: a new one of its name would be taken to go on from them."""
    if not file.exists():
        for end in ("-wal", "-shm", "-journal"):
            file.with_name(file.name + end).unlink(missing_ok=True)


def _opened(file: Path) -> sqlite3.Connection:
    """An existing file; one that is missing is not made."""
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S)


def _is_local(file: Path) -> bool:
    """Whether the disk is known to be this machine's own."""
    if not _MOUNTS.is_file():
        return False
    place = file.resolve()
    mounts = (line.split()[1:3] for line in _MOUNTS.read_text().splitlines())
    over = [(len(Path(point).parts), kind) for point, kind in mounts if place.is_relative_to(point)]
    # Of several at one point the last lies on top.
    return bool(over) and sorted(over, key=lambda it: it[0])[-1][1] in _LOCAL
