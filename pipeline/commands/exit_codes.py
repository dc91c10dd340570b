"""The end of a command: one line on stderr, and exit code 0, 1 (failure), 2 (user error) or 128 plus the signal."""

import signal
import sys
import traceback
from types import TracebackType

import click

from pipeline.commands.torchrun import is_first
from pipeline.errors import Failure, UserError
from pipeline.printable import printable
from pipeline.urls import scrubbed

FAILURE, USER_ERROR = 1, 2


class Stopped(BaseException):
    """The process received a signal to end while it ran steps, which can be resumed."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def guarded(command: click.Command) -> None:
    """Run a command and exit with its code; with `--debug` among the arguments exceptions are raised."""
    debug = "--debug" in sys.argv
    sys.excepthook = _without_secrets
    try:
        command.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        _end("interrupted", 128 + signal.SIGINT)
    except Stopped as stop:
        _end("interrupted; add --resume to go on", 128 + stop.number)
    except (UserError, click.ClickException) as error:
        if debug:
            raise
        if not is_first():
            return  # the first of several processes says the same; one that fails before it would end it
        _end(_said(error), USER_ERROR)
    except Failure as error:
        if debug:
            raise
        _end(str(error), FAILURE)
    except Exception as error:
        if debug:
            raise
        text = str(error).split("(Background on this error")[0]  # SQLAlchemy's
        _end(f"{type(error).__name__}: {text} (--debug shows where)", FAILURE)


def _said(error: Exception) -> str:
    """What an error says; where an argument or an option is missing, with where examples are."""
    if isinstance(error, click.MissingParameter) and error.ctx is not None:
        return f"{error.format_message()} {error.ctx.command_path} --help shows examples."
    return error.format_message() if isinstance(error, click.ClickException) else str(error)


def _without_secrets(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Print a traceback as Python does, without passwords."""
    print(scrubbed("".join(traceback.format_exception(kind, error, at))), end="", file=sys.stderr)


def _end(problem: str, code: int) -> None:
    line = " ".join(scrubbed(problem).split())
    print(f"headway: {printable(line)}", file=sys.stderr)
    sys.exit(code)
