"""Steps in the caller's process: what they change in it is as before afterwards, and its signals are its own."""

import gc
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headway.notebook import NotebookConsole, in_notebook
from pipeline.commands.execute import carry_out
from pipeline.commands.exit_codes import Stopped
from pipeline.commands.options import Request
from pipeline.errors import Failure, UserError
from pipeline.steps.console import Console
from pipeline.steps.context import Context
from pipeline.tracking.store import store_given_back
from pipeline.urls import scrubbed

_ONE_AT_A_TIME = threading.RLock()
_NUMERICS = "pipeline.training.numerics"
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def console_of(quiet: bool) -> Console:
    """What shows progress: bars in a notebook and on a terminal, else lines."""
    return NotebookConsole() if not quiet and in_notebook() else Console(quiet)


def carried_out(command: str, request: Request, project: Path) -> tuple[Context, dict[str, Any]]:
    """Do what a command does, see `pipeline.commands.execute.carry_out`.

    Raises:
        UserError: The experiment, its data or a setting is wrong.
        Failure: A step failed.
        KeyboardInterrupt: Of Ctrl-C or a notebook's button; all runs are ended, and can be resumed.
    """
    with borrowed():
        return carry_out(command, request, project, console_of(request.quiet))


@contextmanager
def borrowed() -> Iterator[None]:
    """Give back the process's signals, store of MLflow, threads and garbage collection; errors without secrets."""
    with _ONE_AT_A_TIME, store_given_back(), _signals_given_back(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # tqdm's, which mlflow imports: nothing draws with it
        collected = gc.get_threshold()
        try:
            yield
        except Stopped as stop:
            if stop.number == signal.SIGINT:
                raise KeyboardInterrupt("resume=True goes on") from None
            sys.exit(128 + stop.number)
        except (UserError, Failure) as error:
            if (said := scrubbed(str(error))) != str(error):
                raise (Failure if isinstance(error, Failure) else UserError)(said) from None
            raise
        finally:
            gc.set_threshold(*collected)
            if numerics := sys.modules.get(_NUMERICS):
                numerics.give_back()


@contextmanager
def _signals_given_back() -> Iterator[None]:
    """Python lets the main thread alone handle signals; in another they are not touched."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
