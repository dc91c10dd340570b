"""How often something may be done that costs time, such as writing a checkpoint or telling a database."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

_SHARE = 0.005
_FIRST_S = 2.0


class Throttle:
    """Lets something be done as often as its last cost allows, so that it takes a small share of the time.

    Args:
        share: Of the time; infinity makes it due whenever asked. At the default it is first due after two seconds, as
            something is that took ten milliseconds.
    """

    def __init__(self, share: float = _SHARE) -> None:
        self._share = share
        self._cost = _FIRST_S * _SHARE
        self._ended = time.monotonic()

    def due(self) -> bool:
        """Whether enough time has passed since the last time."""
        return time.monotonic() - self._ended >= self._cost / self._share

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Around doing it, to learn what it costs."""
        started = time.monotonic()
        yield
        self._ended = time.monotonic()
        self._cost = self._ended - started
