"""plotly.js as it goes into a page: compressed, since it is larger than all else there together."""

import base64
import gzip
import hashlib
from importlib.metadata import version
from pathlib import Path

from pipeline.user_cache import cache_folder, write_atomically


def packed() -> str:
    """The library of the installed version, gzipped, in base64. It takes a quarter of a second to pack, once a user."""
    folder = cache_folder()
    path = folder / f"plotly-{version('plotly')}.gz.txt" if folder else None
    if path and (found := _read(path)):
        return found
    from plotly.offline import get_plotlyjs

    made = base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
    if path:
        write_atomically(path, lambda whole: _write(whole, made))
    return made


def _write(path: Path, text: str) -> None:
    path.write_text(f"{_digest(text)}\n{text}", encoding="ascii")


def _read(path: Path) -> str | None:
    """What was kept there, if it is whole."""
    try:
        digest, _, text = path.read_text(encoding="ascii").partition("\n")
    except (OSError, ValueError):
        return None
    return text if digest == _digest(text) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
