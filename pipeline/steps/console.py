"""What the user sees while steps work: bars on a terminal, plain lines elsewhere, nothing when quiet or for JSON."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress

_LINE_EVERY_S = 15.0


class Console:
    """Prints progress and results to stdout, warnings to stderr.

    Args:
        quiet: Print nothing but warnings.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def line(self, text: str) -> None:
        """Print a line of progress."""
        if not self.quiet:
            print(printable(text), flush=True)

    def detail(self, text: str) -> None:
        """Print a line about the step that is running."""
        self.line(f"  {text}")

    def warn(self, text: str) -> None:
        """Print a warning to stderr."""
        print(f"warning: {printable(text)}", file=sys.stderr)

    def bars(self) -> "Bars | None":
        """What draws bars; None where a line is printed now and then."""
        return _terminal_bars()

    @contextmanager
    def bar(self, title: str, total: int | None) -> Iterator["Bar"]:
        """A progress bar of so many parts; None where their number is not known yet."""
        if self.quiet:
            yield Bar(title, total, None)
            return
        progress = self.bars()
        if progress is None:
            yield Bar(title, total, self)
            return
        with progress:
            yield Bar(title, total, self, progress)


class Bars(Protocol):
    """Draws bars while it is entered."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *of_error: Any) -> None: ...

    def add_task(self, title: str, /, *, total: int | None, note: str) -> Any:
        """Add a bar; what names it."""

    def update(self, task: Any, /, *, completed: int, total: int | None, note: str) -> None:
        """Draw it anew."""


def _terminal_bars() -> "Progress | None":
    """Bars for a terminal; None where stdout is none. What is printed meanwhile appears above them."""
    from rich import progress as drawn
    from rich.console import Console as Terminal

    terminal = Terminal(file=sys.stdout)
    columns = (
        drawn.TextColumn("{task.description}"), drawn.BarColumn(), drawn.MofNCompleteColumn(),
        drawn.TimeElapsedColumn(), drawn.TimeRemainingColumn(), drawn.TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    return drawn.Progress(*columns, console=terminal, transient=True) if terminal.is_terminal else None


class Bar:
    """A progress bar.

    Args:
        title: Of what progresses.
        total: Parts in all, if known.
        console: Prints lines where there is no terminal; None prints nothing.
        progress: The drawn bar, on a terminal.
    """

    def __init__(self, title: str, total: int | None, console: Console | None, progress: Bars | None = None) -> None:
        self._title, self._total, self._console, self._progress = title, total, console, progress
        self._printed = time.monotonic()
        self._task = progress.add_task(title, total=total, note="") if progress else None

    def at(self, done: int, note: str = "", total: int | None = None) -> None:
        """Show that so many parts are done, and perhaps how many there are."""
        self._total = total if total is not None else self._total
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=self._total, note=note)
        elif self._console and (time.monotonic() - self._printed >= _LINE_EVERY_S):
            self._printed = time.monotonic()
            self._console.detail(f"{self._title}: {done}/{self._total or '?'} {note}".rstrip())
