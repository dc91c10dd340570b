"""A background thread: storages and trackers are written to while the next networks train."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class BackgroundQueue:
    """Runs one function at a time in a thread, in the order given; an exception is raised by the next call."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._running: Future[None] | None = None

    def __enter__(self) -> "BackgroundQueue":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._thread.shutdown()

    @property
    def is_idle(self) -> bool:
        """Whether `submit` needs not wait."""
        return self._running is None or self._running.done()

    def submit(self, work: Callable[[], None]) -> None:
        """Run a function in the thread, once the previous one is done."""
        self.wait()
        self._running = self._thread.submit(work)

    def wait(self) -> None:
        """Wait until the last function is done."""
        running, self._running = self._running, None
        if running is not None:
            running.result()
