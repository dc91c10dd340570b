"""A host's side on its node: an actor that is sent there by value, so that a node without this package can say so.

So only the standard library is imported here; torch and this package are when they are first needed. A process that has
neither takes 60 MB, and 300 MB with both.
"""

import hashlib
import importlib
import importlib.machinery
import importlib.metadata
import os
import pickle
import platform
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PACKAGE = "pipeline"
LIBRARIES = ("torch", "numpy", "torchvision")
"""Libraries of arithmetic, whose versions must be those of the coordinator."""

_PROTOCOL = 5


class Actor:
    """Runs calls in the order in which they were made, on the process's main thread.

    Answers are pickled here, so that arrays arrive as the caller's own, and exceptions as themselves.

    Args:
        make: Makes what runs `work`, when it is first called.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's to handle
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the package does, before torch is imported
        self._make = make
        self._worker: Any = None

    def about(self, places: Sequence[str], last: Sequence[str], digest: str) -> dict[str, Any]:
        """What this process has, and its module search path set to what was found.

        Args:
            places: Folders in which the package may lie beside where it is installed.
            last: Folders that are searched last: the project's, and those that Ray puts first.
            digest: Of the package that is wanted, see `source_digest`.

        Returns:
            `python`, `versions` by library (None for one that is missing), and of the package `digest` and `folder`.
        """
        sys.path[:] = [it for it in sys.path if it not in last]
        found = _installed()
        places = [it for it in places if Path(it, PACKAGE, "__init__.py").is_file()]
        fitting = [it for it in [*found, *places] if source_digest(Path(it, PACKAGE)) == digest]
        folder = next(iter([*fitting, *found, *places]), None)
        if folder is not None and folder not in found:
            sys.path.insert(0, folder)
        sys.path += [it for it in last if it not in sys.path and it != folder]
        importlib.invalidate_caches()
        return {
            "machine": socket.gethostname(),
            "process": os.getpid(),
            "python": platform.python_version(),
            "versions": {name: version_of(name) for name in LIBRARIES},
            "digest": source_digest(Path(folder, PACKAGE)) if folder else None,
            "folder": folder,
        }

    def search(self, folder: str) -> None:
        """Search modules in a folder first."""
        if folder not in sys.path:
            sys.path.insert(0, folder)
            importlib.invalidate_caches()

    def run(self, name: str, args: bytes) -> bytes:
        """Run a function of the package, `package.module:function`, with pickled arguments; see `_answer`."""
        return _answer(lambda: _named(name)(*pickle.loads(args)))  # noqa: S301 (of the coordinator)

    def work(self, method: str, args: bytes) -> bytes:
        """Run a method of the worker with pickled arguments; see `_answer`."""
        return _answer(lambda: getattr(self._made(), method)(*pickle.loads(args)))  # noqa: S301 (of the coordinator)

    def _made(self) -> Any:
        if self._worker is None:
            self._worker = self._make()
        return self._worker


def training_worker() -> Any:
    """What trains."""
    return _named("pipeline.training.workers.processes:Worker")()


def follower() -> Any:
    """What trains its part of each batch of a network that several processes train."""
    return _named("pipeline.training.workers.ray.follower:Follower")()


def source_digest(package: Path) -> str:
    """Hash of a package's Python files and their names, 16 hexadecimal digits."""
    content = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content.update(f"{path.relative_to(package).as_posix()}\x1f".encode())
        content.update(hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()[:16]


def _answer(call: Callable[[], Any]) -> bytes:
    """Whether a call succeeded, and what it returned or raised, pickled."""
    try:
        return pickle.dumps((True, call()), _PROTOCOL)
    except Exception as error:
        return pickle.dumps((False, _sendable(error)), _PROTOCOL)


def _sendable(error: Exception) -> Exception:
    """The exception, or one that says the same where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error, _PROTOCOL))  # noqa: S301 (of our own)
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _named(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _installed() -> list[str]:
    """Where the package is found by the module search path; nothing is imported."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find(PACKAGE, None) if find else None
        if spec is not None and spec.origin:
            return [str(Path(spec.origin).parents[1])]
    return []


def version_of(name: str) -> str | None:
    """Version of an installed library; None for one that is missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
