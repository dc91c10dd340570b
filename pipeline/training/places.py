"""Where checkpoints are kept: a folder of this machine or of a shared disk, or any store that fsspec knows."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.deadline import LateError, answer_within
from pipeline.errors import Failure, StudyStopped, UserError
from pipeline.files import check_regular
from pipeline.urls import redacted, scrubbed

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_KNOWN_WITHIN_S = 20.0
_EXAMPLE = "write a folder, or for example s3://bucket/folder"


class Keeper(Protocol):
    """Keeps files by their paths."""

    def put(self, path: str, content: bytes) -> None:
        """Replace a file, whole or not at all as far as the store can."""

    def local(self, path: str) -> AbstractContextManager[Path | None]:
        """A file of this machine with the content, for a while; None where there is no such file."""

    def delete(self, path: str) -> None:
        """Delete a file; one that is missing is no error."""

    def delete_folder(self, path: str) -> None:
        """Delete a folder with all in it; one that is missing is no error."""


class Disk:
    """Files of this machine, or of a disk that machines share."""

    def put(self, path: str, content: bytes) -> None:
        """Write beside the file and move it there once it is on the disk: killed in the middle, the old one stays."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)

    @contextmanager
    def local(self, path: str) -> Iterator[Path | None]:
        """See `Keeper`."""
        yield Path(path) if os.path.isfile(path) else None

    def delete(self, path: str) -> None:
        """See `Keeper`."""
        Path(path).unlink(missing_ok=True)

    def delete_folder(self, path: str) -> None:
        """See `Keeper`."""
        shutil.rmtree(path, ignore_errors=True)


class Store:
    """Files of a store that fsspec knows; each is put at once.

    Where that is not atomic, as it is in object stores, a file that was cut short is told by its checksum.

    Args:
        system: The store.
    """

    def __init__(self, system: "AbstractFileSystem") -> None:
        self._system = system

    def put(self, path: str, content: bytes) -> None:
        """See `Keeper`."""
        with suppress(FileExistsError, NotImplementedError):  # object stores have no folders
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._system.pipe_file(path, content)

    @contextmanager
    def local(self, path: str) -> Iterator[Path | None]:
        """See `Keeper`."""
        try:
            content = self._system.cat_file(path)
        except FileNotFoundError:
            yield None
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "file")
            file.write_bytes(content)
            yield file

    def delete(self, path: str) -> None:
        """See `Keeper`."""
        with suppress(FileNotFoundError):
            self._system.rm_file(path)

    def delete_folder(self, path: str) -> None:
        """See `Keeper`."""
        self._system.invalidate_cache()
        with suppress(FileNotFoundError):
            self._system.rm(path, recursive=True)


def _allowed() -> None:
    """Nothing forbids to write."""


def _never() -> StudyStopped | None:
    """Nothing ends training."""
    return None


@dataclass(frozen=True)
class Place:
    """A file or folder in which checkpoints are kept; `place / "name"` is one in it.

    Attributes:
        keeper: Keeps the files.
        path: As the keeper knows it.
        shown: The place as it may be shown.
        tolerant: Where it fails, say so and go on without: training needs no checkpoint unless it is interrupted.
        say: Prints a line.
        allowed: Raises an exception where this process may not write any more.
        ending: What ends training once its checkpoint is written, if anything.
    """

    keeper: Keeper
    path: str
    shown: str
    tolerant: bool = False
    say: Callable[[str], None] = print
    allowed: Callable[[], None] = _allowed
    ending: Callable[[], StudyStopped | None] = _never
    _troubled: set[str] = field(default_factory=set, compare=False)

    @classmethod
    def here(cls, path: Path) -> "Place":
        """A file or folder of this machine."""
        return cls(Disk(), str(path), str(path))

    def __truediv__(self, name: str) -> "Place":
        return replace(self, path=f"{self.path.rstrip('/')}/{name}", shown=f"{self.shown.rstrip('/')}/{name}")

    def put(self, content: bytes) -> None:
        """Replace the file.

        Raises:
            OSError: It cannot be written, and must be.
        """
        self.allowed()
        with self._tolerated("written", "training goes on without"):
            self.keeper.put(self.path, content)

    @contextmanager
    def local(self) -> Iterator[Path | None]:
        """A file of this machine with the content; None where there is none.

        Raises:
            Failure: The place fails.
        """
        with ExitStack() as stack:
            try:
                file = stack.enter_context(self.keeper.local(self.path))
            except Exception as error:  # each store has errors of its own
                raise Failure(f"checkpoint {self.shown} cannot be read ({_reason(error)})") from error
            yield file

    def delete(self) -> None:
        """Delete the file."""
        self.allowed()
        with self._tolerated("deleted", "delete it by hand"):
            self.keeper.delete(self.path)

    def delete_folder(self) -> None:
        """Delete the folder with all in it."""
        with self._tolerated("deleted", "delete it by hand"):
            self.keeper.delete_folder(self.path)

    @contextmanager
    def _tolerated(self, what: str, advice: str) -> Iterator[None]:
        """Say once that the place fails, and once that it works again, where that is tolerated."""
        try:
            yield
        except Exception as error:  # each store has errors of its own
            if not self.tolerant:
                raise
            if what not in self._troubled:
                self._troubled.add(what)
                self.say(f"--checkpoints {self.shown} cannot be {what} ({_reason(error)}): {advice}")
        else:
            if what in self._troubled:
                self._troubled.remove(what)
                self.say(f"--checkpoints {self.shown} can be {what} again")


def place_of(address: str, say: Callable[[str], None] = print) -> Place:
    """The place that a user names; nothing is touched.

    Args:
        address: A folder, or a URL that fsspec knows.
        say: Prints a line where the place fails while networks are trained.

    Raises:
        UserError: It names no place, is of an unknown kind, or needs a package that is not installed.
    """
    if not address.strip():
        raise UserError(f"--checkpoints names no place: {_EXAMPLE}")
    if "://" not in address:
        return Place(Disk(), os.path.abspath(address), address, True, say)
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    shown = redacted(address)
    try:
        system, path = fsspec.url_to_fs(address)
    except ImportError as error:
        raise UserError(f"--checkpoints {shown} needs a package that is not installed ({_reason(error)})") from None
    except Exception as error:  # a store's own; ValueError where its kind is not known
        raise UserError(f"--checkpoints {shown} is no place ({_reason(error)}): {_EXAMPLE}") from None
    if not path.strip("/") and system.protocol != "memory":
        raise UserError(f"--checkpoints {shown} names no folder: {_EXAMPLE}")
    return Place(Disk() if isinstance(system, LocalFileSystem) else Store(system), path, shown, True, say)


def check_place(address: str) -> None:
    """Find out within seconds whether checkpoints can be written to a place.

    Raises:
        UserError: See `place_of`; or it lies in a folder that does not exist.
        Failure: It cannot be written.
    """
    place = place_of(address)
    if isinstance(place.keeper, Disk):
        check_regular(place.path, "--checkpoints")
        if not Path(place.path).parent.is_dir():
            raise UserError(f"--checkpoints {place.shown} lies in a folder that does not exist: create it")
        if Path(place.path).is_file():
            raise UserError(f"--checkpoints {place.shown} is a file: {_EXAMPLE}")
    try:
        answer_within(_KNOWN_WITHIN_S, lambda: _try_writing(place))
    except LateError:
        raise Failure(
            f"--checkpoints {place.shown} did not answer within {_KNOWN_WITHIN_S:.0f} s: correct its address"
        ) from None
    except Exception as error:  # each store has errors of its own
        raise Failure(
            f"--checkpoints {place.shown} cannot be written ({_reason(error)}): correct its address"
        ) from None


def _try_writing(place: Place) -> None:
    """Write a small file, read it and delete it."""
    probe = place / f".headway-{uuid.uuid4().hex}"
    place.keeper.put(probe.path, b"headway")
    with place.keeper.local(probe.path) as file:
        if file is None or file.read_bytes() != b"headway":
            raise OSError("what was written there is not read")
    place.keeper.delete(probe.path)


def _reason(error: Exception) -> str:
    """A store's own message, as one line."""
    said = getattr(error, "strerror", None) or str(error)
    return " ".join(scrubbed(said).split()) or type(error).__name__
