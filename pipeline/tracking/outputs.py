"""A step's outputs: files in a folder of their own, with a manifest of their checksums."""

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
    """A temporary folder to write outputs into; if all goes well it takes the place of `folder`, manifest and all.

    Whatever happens, `folder` is never half-written.
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
    """Hash of the manifest; None where there is none."""
    path = folder / MANIFEST
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32] if path.is_file() else None


def problem(folder: Path, expected: str | None) -> str | None:
    """Why these outputs cannot be used: missing, changed, or not those that the run made; None if they can."""
    found = digest(folder)
    if found is None:
        return "its outputs are not here"
    if found != expected:
        return "the outputs here are not its own"
    told: dict[str, str] = json.loads((folder / MANIFEST).read_text())
    now = _checksums(folder)
    for name, checksum in told.items():
        if now.get(name) != checksum:
            return f"its output {name} is {'damaged' if name in now else 'missing'}"
    return None


def _checksums(folder: Path) -> dict[str, str]:
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            with path.open("rb") as file:
                sums[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums
