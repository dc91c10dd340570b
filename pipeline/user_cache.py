"""The user's cache, shared by projects. It only saves time: without it everything is computed again."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

FOLDER = "HEADWAY_CACHE"
"""Environment variable with the folder; by default `headway` in `$XDG_CACHE_HOME` or `~/.cache`; empty for no cache."""


def cache_folder() -> Path | None:
    """The folder of the cache, created if it is missing; None without a cache, or if it is not writable."""
    given = os.environ.get(FOLDER)
    if given == "":
        return None
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = Path(given) if given else base / "headway"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home folder, or one that is not writable
        return None
    return folder if os.access(folder, os.W_OK) else None


def write_atomically(path: Path, write: Callable[[Path], None]) -> bool:
    """Write a file atomically; return False if it cannot be written.

    Args:
        path: Path of the file.
        write: Function that writes the content to the temporary path that it is given.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            temporary = Path(folder, path.name)
            write(temporary)
            to_disk(temporary)
            temporary.replace(path)
            with contextlib.suppress(OSError):  # not possible on every system
                to_disk(path.parent)
    except OSError:
        return False
    return True


def to_disk(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
