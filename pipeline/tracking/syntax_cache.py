"""What was found in the syntax trees of source files, kept in the user's cache under each file's content.

Parsing this package takes most of a second; its content seldom changes. An entry that is broken, or was made by another
Python or another version of what parses, is made again.
"""

import functools
import hashlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipeline.user_cache import cache_folder, write_atomically

Parsed = tuple[str, tuple[str, ...]]
"""A hash, and names."""

_MOST = 4096  # entries that a file holds; beyond, those of contents that this process did not meet are left out
_VERSION = 1  # of what parses: raise it when `pipeline.tracking.keys` finds other things in the same source


def of(source: bytes, parse: Callable[[bytes], Parsed]) -> Parsed:
    """What was found in a source, now or before."""
    content = hashlib.sha256(source).hexdigest()
    entry = _kept().get(content)
    found = _read(content, entry)
    if found is None:
        found = parse(source)
        _new[content] = [*found, _check(content, *found)]
    else:
        _met[content] = entry
    return found


def keep() -> None:
    """Write what was parsed since the last call, if anything was."""
    if not _new:
        return
    path = _file()
    if path is not None:
        every = _kept() | _met | _new
        write_atomically(path, partial(_write, every if len(every) <= _MOST else _met | _new))
    _met.update(_new)
    _new.clear()
    forget()


def forget() -> None:
    """Read the file again at the next call."""
    _kept.cache_clear()


_new: dict[str, object] = {}
_met: dict[str, object] = {}


@functools.cache
def _kept() -> dict[str, object]:
    """What the file holds, unread; nothing where there is none, or one that is broken."""
    path = _file()
    if path is None:
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _file() -> Path | None:
    folder = cache_folder()
    return folder / f"code-{_VERSION}-{sys.implementation.cache_tag}.json" if folder else None


def _write(entries: dict[str, object], path: Path) -> None:
    path.write_text(json.dumps(entries), encoding="utf-8")


def _read(content: str, entry: object) -> Parsed | None:
    """An entry, if it is whole and of this content."""
    if not (isinstance(entry, list) and len(entry) == 3 and isinstance(entry[1], list)):
        return None
    digest, names, check = entry
    if not all(isinstance(it, str) for it in (digest, check, *names)):
        return None
    return (digest, tuple(names)) if check == _check(content, digest, names) else None


def _check(content: str, digest: str, names: object) -> str:
    return hashlib.sha256(json.dumps([content, digest, list(names)]).encode()).hexdigest()[:16]  # type: ignore[call-overload]
