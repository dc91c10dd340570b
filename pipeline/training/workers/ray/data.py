"""Prepared data on a node: mapped where it sees the same files, else shipped into its cache, once a node.

What is shipped lies in a folder that is named by its content: it is written in chunks into a folder beside it, checked,
and then renamed. The test split stays at home.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.data.prepared import (
    MANIFEST,
    Prepared,
    checksum,
    groups_file,
    inputs_file,
    labels_file,
    open_prepared,
    rows_file,
)
from pipeline.errors import Failure
from pipeline.user_cache import cache_folder, to_disk

CHUNK = 16 * 2**20
"""Bytes that are sent at once."""

_HERE = f"{__name__}:"

Run = Callable[..., Any]
"""Runs a function of this module, by name, on a node, and returns its answer."""

Stamp = tuple[int, int, int]
"""A file's size, time of change in nanoseconds, and number in its file system: equal for the same file only."""


class Shipment:
    """What training reads of a prepared folder.

    Args:
        prepared: The data, as a network or the pool sees them.

    Attributes:
        folder: The outermost folder, with those of all replicates.
    """

    def __init__(self, prepared: Prepared) -> None:
        self.folder = outermost(prepared)
        self.files = sorted(_read_by_training(self.folder))

    def place(self, run: Run) -> Path:
        """The folder where a node has the same content, after shipping it there if need be.

        Args:
            run: Runs functions on the node.

        Raises:
            Failure: The node cannot take it.
        """
        stamps = {name: _stamp(self.folder / name) for name in self.files}
        seen = run(f"{_HERE}seen", str(self.folder), stamps)
        if seen == "same" or (seen == "alike" and run(f"{_HERE}is_whole", str(self.folder), self.checksums)):
            return self.folder
        if kept := run(f"{_HERE}kept", self.name, self.checksums):
            return Path(kept)
        return self._ship(run)

    @cached_property
    def checksums(self) -> dict[str, str]:
        """The sha256 of each file."""
        return {name: checksum(self.folder / name) for name in self.files}

    @property
    def name(self) -> str:
        """That of the content, 32 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.checksums, sort_keys=True).encode()).hexdigest()[:32]

    def _ship(self, run: Run) -> Path:
        partial = run(f"{_HERE}begin", self.name, sum((self.folder / name).stat().st_size for name in self.files))
        try:
            for name in self.files:
                for chunk in _chunks(self.folder / name):
                    run(f"{_HERE}receive", partial, name, chunk)
            return Path(run(f"{_HERE}finish", partial, self.name, self.checksums))
        except Failure:
            run(f"{_HERE}drop", partial)
            raise


def outermost(prepared: Prepared) -> Path:
    """The folder of prepared data with the folders of all replicates."""
    above = prepared.folder.parent.parent
    return above if prepared.folder.parent.name == "replicates" and (above / MANIFEST).is_file() else prepared.folder


def moved(prepared: Prepared, old: Path, new: Path) -> Prepared:
    """The same data in another folder.

    Args:
        prepared: In `old`, or in a folder within it.
        old: A folder.
        new: One with the same content.
    """
    if old == new:
        return prepared
    replicates = tuple(moved(it, old, new) for it in prepared.replicates)
    return replace(prepared, folder=new / prepared.folder.relative_to(old), replicates=replicates)


def seen(folder: str, stamps: Mapping[str, Stamp]) -> str:
    """On a node: whether it sees the `same` files, such as are `alike` by their sizes, or `other` ones or none."""
    try:
        own = {name: _stamp(Path(folder, name)) for name in stamps}
    except OSError:
        return "other"
    if own == dict(stamps):
        return "same"
    return "alike" if all(own[name][0] == stamps[name][0] for name in stamps) else "other"


def is_whole(folder: str, checksums: Mapping[str, str]) -> bool:
    """On a node: whether a folder has these files."""
    try:
        return all(checksum(Path(folder, name)) == expected for name, expected in checksums.items())
    except OSError:
        return False


def kept(name: str, checksums: Mapping[str, str]) -> str | None:
    """On a node: the folder of content that was shipped before; None where it was not, or is damaged."""
    folder = _cache() / name
    if is_whole(str(folder), checksums):
        return str(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return None


def begin(name: str, size: int) -> str:
    """On a node: a new folder for content.

    Args:
        name: Of the content.
        size: Bytes that are to come.

    Raises:
        Failure: There is no room for it.
    """
    try:
        cache = _cache()
        cache.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(cache).free
        if free < size:
            raise Failure(
                f"the prepared data take {_megabytes(size)}, and {cache} has room for {_megabytes(free)}: free some, "
                "let HEADWAY_CACHE name another folder on the node, or share the project's folder"
            )
        return tempfile.mkdtemp(prefix=f".{name}-", dir=cache)
    except OSError as error:
        raise _unwritable(error) from None


def receive(partial: str, name: str, chunk: bytes) -> None:
    """On a node: append to a file.

    Raises:
        Failure: It cannot be written.
    """
    path = Path(partial, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(chunk)
    except OSError as error:
        raise _unwritable(error) from None


def finish(partial: str, name: str, checksums: Mapping[str, str]) -> str:
    """On a node: check all files and give the folder its name; the answer is the folder.

    Raises:
        Failure: What arrived is not what was sent.
    """
    if not is_whole(partial, checksums):
        raise Failure("the prepared data did not arrive as they were sent: the disk or the network may be damaged")
    folder = Path(partial).parent / name
    try:
        for path in checksums:
            to_disk(Path(partial, path))
        os.rename(partial, folder)
    except OSError as error:
        if not is_whole(str(folder), checksums):  # else another command has shipped it meanwhile
            raise _unwritable(error) from None
        drop(partial)
    return str(folder)


def drop(partial: str) -> None:
    """On a node: remove a folder that is not finished."""
    shutil.rmtree(partial, ignore_errors=True)


def write_parts(files: Mapping[str, bytes]) -> str:
    """On a node: write Python files of the user's own into a folder that is named by their content; the answer.

    Raises:
        Failure: They cannot be written.
    """
    content = hashlib.sha256()
    for name, source in sorted(files.items()):
        content.update(f"{name}\x1f{hashlib.sha256(source).hexdigest()}\x1f".encode())
    folder = _cache().with_name("parts") / content.hexdigest()[:32]
    try:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=".parts-", dir=folder.parent))
            for name, source in files.items():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                (partial / name).write_bytes(source)
            partial.rename(folder)
    except OSError as error:
        if not folder.is_dir():
            raise _unwritable(error) from None
    return str(folder)


def _read_by_training(folder: Path) -> Iterator[str]:
    """The arrays of a folder, by path within it, but for those of the test split."""
    for manifest in folder.rglob(MANIFEST):
        data, within = open_prepared(manifest.parent), manifest.parent
        tests = {labels_file(it, "test") for it in data.tasks}
        for source in data.sources:
            tests |= {inputs_file(source, "test"), rows_file(source, "test"), groups_file(source)}
        yield from (
            str(path.relative_to(folder)) for path in within.glob("*.npy") if path.is_file() and path.name not in tests
        )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _stamp(path: Path) -> Stamp:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _cache() -> Path:
    """Where this node keeps what is shipped; without a cache of the user's, a folder for temporary files."""
    return (cache_folder() or Path(tempfile.gettempdir(), f"headway-{os.getuid()}")) / "shipped"


def _unwritable(error: OSError) -> Failure:
    return Failure(f"the prepared data cannot be written to {_cache()}: {error.strerror or error}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
