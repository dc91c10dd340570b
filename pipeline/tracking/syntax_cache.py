"""Caches the hash and the imports of each source file in the user's cache, by the hash of the file's content.

Parsing this package takes most of a second, and its files seldom change. Entries that are damaged, or of another Python
or another version of the parser, are recomputed.
"""

import functools
import hashlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipeline.user_cache import cache_folder, write_atomically

ParsedSource = tuple[str, tuple[str, ...]]
"""The hash of a syntax tree, and the names that it imports."""

_LIMIT = 4096  # entries in the file; beyond it, entries that this process did not use are dropped
_VERSION = 1  # of the parser: increase it when `pipeline.tracking.keys` gets another result from the same source


def cached(source: bytes, parse: Callable[[bytes], ParsedSource]) -> ParsedSource:
    """The result of parsing a source, from the cache if it is there."""
    content = hashlib.sha256(source).hexdigest()
    entry = _stored().get(content)
    result = _read(content, entry)
    if result is None:
        result = parse(source)
        _new[content] = [*result, _check(content, *result)]
    else:
        _used[content] = entry
    return result


def save() -> None:
    """Write the results of parsing since the last call, if there are any."""
    if not _new:
        return
    path = _file()
    if path is not None:
        entries = _stored() | _used | _new
        write_atomically(path, partial(_write, entries if len(entries) <= _LIMIT else _used | _new))
    _used.update(_new)
    _new.clear()
    reload()


def reload() -> None:
    """Read the file again on the next use."""
    _stored.cache_clear()


_new: dict[str, object] = {}
_used: dict[str, object] = {}


@functools.cache
def _stored() -> dict[str, object]:
    """The entries in the file, not validated; empty if it is missing or damaged."""
    path = _file()
    if path is None:
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _file() -> Path | None:
    folder = cache_folder()
    return folder / f"code-{_VERSION}-{sys.implementation.cache_tag}.json" if folder else None


def _write(entries: dict[str, object], path: Path) -> None:
    path.write_text(json.dumps(entries), encoding="utf-8")


def _read(content: str, entry: object) -> ParsedSource | None:
    """The result in an entry, or None if the entry is damaged or of another content."""
    if not (isinstance(entry, list) and len(entry) == 3 and isinstance(entry[1], list)):
        return None
    digest, names, check = entry
    if not all(isinstance(it, str) for it in (digest, check, *names)):
        return None
    return (digest, tuple(names)) if check == _check(content, digest, names) else None


def _check(content: str, digest: str, names: object) -> str:
    return hashlib.sha256(json.dumps([content, digest, list(names)]).encode()).hexdigest()[:16]  # type: ignore[call-overload]
