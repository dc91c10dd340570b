"""The checksum of many files, remembered: a file is read again only when its size or one of its times has changed."""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pipeline.data.sources import idx
from pipeline.data.sources.base import Place

_SETTLED_NS = 2_000_000_000
"""A file that changed so lately may change again without its times telling."""


def checksum(folder: Path, names: Iterable[str], place: Place) -> str:
    """One sha256 over the names and contents of a folder's files.

    Args:
        folder: Where they lie.
        names: Their paths within it, in order.
        place: Beside its prepared data is remembered what was found.

    Raises:
        UserError: A file cannot be read.
    """
    memory = place.downloads.parent / "checksums" / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()}.json"
    before, after = _remembered(memory), {}
    whole = hashlib.sha256()
    now = time.time_ns()
    for name in names:
        stamp = _stamp(folder / name)
        known = before.get(name)
        found = known[1] if known and known[0] == stamp else idx.checksum(folder / name)
        whole.update(f"{name}\0{found}\n".encode())
        if now - max(stamp[-2:], default=now) > _SETTLED_NS:
            after[name] = [stamp, found]
    if after != before:
        _remember(memory, after)
    return whole.hexdigest()


def _stamp(path: Path) -> list[int]:
    """What a file is (a link may lead to another), its size and times; nothing where it cannot be asked."""
    try:
        found = os.stat(path)
    except OSError:
        return []
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _remembered(memory: Path) -> dict[str, list]:
    try:
        found: dict[str, list] = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _remember(memory: Path, found: dict[str, list]) -> None:
    """Write it whole, or not at all: what cannot be remembered is read again."""
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        part = memory.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(found), encoding="utf-8")
        part.replace(memory)
