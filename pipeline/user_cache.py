"""What is kept for a user from one project to the next. It saves time only: without it everything is made anew."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

FOLDER = "HEADWAY_CACHE"
"""Environment variable: where it is kept; by default `headway` in `$XDG_CACHE_HOME` or `~/.cache`; empty: nowhere."""


def cache_folder() -> Path | None:
    """The folder, which exists; None where nothing is to be kept, or nothing can be."""
    given = os.environ.get(FOLDER)
    if given == "":
        return None
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = Path(given) if given else base / "headway"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or one that cannot be written
        return None
    return folder if os.access(folder, os.W_OK) else None


def write_atomically(path: Path, write: Callable[[Path], None]) -> bool:
    """Make a file that is there whole or not at all, whatever happens meanwhile; False where it cannot be written.

    Args:
        path: Of the file.
        write: Writes it to the path that it is given, beside the other.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            made = Path(folder, path.name)
            write(made)
            _to_disk(made)
            made.replace(path)
            with contextlib.suppress(OSError):  # not every system opens folders
                _to_disk(path.parent)
    except OSError:
        return False
    return True


def _to_disk(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
