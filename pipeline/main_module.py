"""Starts processes that do not import the program that started this one."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_MAIN = "__main__"
_LOCK = threading.Lock()  # one thread must not take what another has put there for the main program


@contextmanager
def without_main() -> Iterator[None]:
    """Let processes that are spawned meanwhile import nothing of the main program, of which workers need nothing.

    Python would run its file once more in each: a script without `if __name__ == "__main__"` would train again there,
    and a program that was read from standard input has no file to be run.
    """
    with _LOCK:
        main = sys.modules[_MAIN]
        sys.modules[_MAIN] = ModuleType(_MAIN)
        try:
            yield
        finally:
            sys.modules[_MAIN] = main
