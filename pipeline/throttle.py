"""Limits how often an expensive operation is done, such as writing a checkpoint or logging to a database."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

_SHARE = 0.005
_FIRST_S = 2.0


class Throttle:
    """Limits an operation to a small share of the time, by the duration of its last execution.

    Args:
        share: Share of the time; with infinity the operation is always due. At the default it is first due after two
            seconds, like an operation that took ten milliseconds.
    """

    def __init__(self, share: float = _SHARE) -> None:
        self._share = share
        self._cost = _FIRST_S * _SHARE
        self._ended = time.monotonic()

    def due(self) -> bool:
        """Whether enough time has passed since the last execution."""
        return time.monotonic() - self._ended >= self._cost / self._share

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure an execution of the operation, which is the body of the `with` block."""
        started = time.monotonic()
        yield
        self._ended = time.monotonic()
        self._cost = self._ended - started
