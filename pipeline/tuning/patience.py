"""Waits for a storage that is away for a while: a database that is restarted, a network that fails, a locked file."""

import sqlite3
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from pipeline.urls import scrubbed

AWAY_S = 300.0
"""How long a storage is waited for."""

_FIRST_S, _LONGEST_S = 0.25, 10.0  # pauses between two attempts
_SQLITE = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
_PASSING = (
    "starting up",
    "shutting down",
    "recovery",
    "too many",
    "slots are reserved",
    "terminating",
    "not accepting",
)
"""In what PostgreSQL says when it refuses a connection for now; all else is the user's to mend, such as a password."""

T = TypeVar("T")


class Patience:
    """Repeats work on a storage while that is away.

    Args:
        say: Prints a line, when it begins to wait and when the storage is back.
        limit_s: How long it waits, in seconds; 0 for not at all.
    """

    def __init__(self, say: Callable[[str], None], limit_s: float = AWAY_S) -> None:
        self._say, self._limit_s = say, limit_s
        self._lock, self._given_up = threading.Lock(), threading.Event()
        self._since: float | None = None

    def __call__(self, work: Callable[[bool], T]) -> T:
        """Do some work, and again while the storage is away.

        Args:
            work: Called with whether it was tried before: then it may have been done, though the answer was lost.

        Raises:
            StorageInternalError: The storage failed otherwise, or for too long.
            SQLAlchemyError: The same.
        """
        again, pause_s = False, _FIRST_S
        while True:
            try:
                answer = work(again)
            except (StorageInternalError, SQLAlchemyError) as error:
                if not is_away(error) or not self._waits(error):
                    raise
                if self._given_up.wait(pause_s):
                    raise
                again, pause_s = True, min(2.0 * pause_s, _LONGEST_S)
            else:
                self._back()
                return answer

    def give_up(self) -> None:
        """Wait no longer: the program ends."""
        self._given_up.set()

    def _waits(self, error: Exception) -> bool:
        """Whether to wait on; says so the first time."""
        with self._lock:
            now = time.monotonic()
            first, self._since = self._since is None, now if self._since is None else self._since
            left_s = self._since + self._limit_s - now
            if first and left_s > 0.0:
                self._say(
                    f"the study's storage is away ({reason(error)}): waiting for it, {_text(self._limit_s)} at most"
                )
        return left_s > 0.0

    def _back(self) -> None:
        if self._since is None:
            return
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            self._say(f"the study's storage is back after {_text(time.monotonic() - since)}: going on")


def is_away(error: Exception) -> bool:
    """Whether a storage's error may pass by itself."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if not isinstance(cause, DBAPIError):
        return False
    if cause.connection_invalidated:
        return True
    if isinstance(cause.orig, sqlite3.Error):
        return getattr(cause.orig, "sqlite_errorcode", 0) & 0xFF in _SQLITE  # the rest of the code is a detail
    if not isinstance(cause, OperationalError | InterfaceError):
        return False
    said = str(cause.orig)
    return "FATAL" not in said or any(it in said for it in _PASSING)


def reason(error: Exception) -> str:
    """The driver's message, as one line."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
    cause = cause.orig if isinstance(cause, DBAPIError) and cause.orig else cause
    return " ".join(scrubbed(str(cause)).split()) or type(cause).__name__


def _text(seconds: float) -> str:
    return f"{seconds / 60.0:.0f} min" if seconds >= 120.0 else f"{seconds:.0f} s"
