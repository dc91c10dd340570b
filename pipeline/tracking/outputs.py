"""A step's outputs: files in one folder, with a manifest of their checksums."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MANIFEST = "outputs.json"


@contextmanager
def published(folder: Path) -> Iterator[Path]:
    """A temporary folder for outputs, which replaces `folder`, with a manifest, unless an exception is raised.

    `folder` is never left half-written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield partial
        (partial / MANIFEST).write_text(json.dumps(_checksums(partial), indent=1, sort_keys=True))
        partial.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def digest(folder: Path) -> str | None:
    """Hash of the manifest; None if there is none."""
    path = folder / MANIFEST
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32] if path.is_file() else None


def problem(folder: Path, expected: str | None) -> str | None:
    """Why these outputs cannot be used: missing, damaged, or of another run; None if they can."""
    actual = digest(folder)
    if actual is None:
        return "its outputs are not here"
    if actual != expected:
        return "the outputs here are not its own"
    recorded: dict[str, str] = json.loads((folder / MANIFEST).read_text())
    current = _checksums(folder)
    for name, checksum in recorded.items():
        if current.get(name) != checksum:
            return f"its output {name} is {'damaged' if name in current else 'missing'}"
    return None


def _checksums(folder: Path) -> dict[str, str]:
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            with path.open("rb") as file:
                sums[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums
