"""Work that need not be waited for: storages and trackers are told while the next stretches train."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Behind:
    """Does one thing at a time in a thread, in the order given; what failed there is raised by the next call."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._doing: Future[None] | None = None

    def __enter__(self) -> "Behind":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._thread.shutdown()

    def do(self, work: Callable[[], None]) -> None:
        """Begin something, once what was begun before is done."""
        self.wait()
        self._doing = self._thread.submit(work)

    def wait(self) -> None:
        """Until all is done."""
        doing, self._doing = self._doing, None
        if doing is not None:
            doing.result()
