"""What the user sees while steps work: bars on a terminal, plain lines elsewhere, nothing when quiet or for JSON."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

_LINE_EVERY_S = 15.0


class Say:
    """Progress and results go to stdout; warnings to stderr.

    Args:
        quiet: Say nothing but warnings.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def line(self, text: str) -> None:
        """A line of progress."""
        if not self.quiet:
            print(text, flush=True)

    def warn(self, text: str) -> None:
        """A line about something the user should know, on stderr."""
        print(f"warning: {text}", file=sys.stderr)

    @contextmanager
    def bar(self, title: str, total: int | None) -> Iterator["Bar"]:
        """A bar of so many parts; None where their number is not known yet."""
        if self.quiet:
            yield Bar(title, total, None)
            return
        progress = _drawn()
        if progress is None:
            yield Bar(title, total, self)
            return
        with progress:
            yield Bar(title, total, self, progress)


def _drawn() -> "Progress | None":
    """Bars for a terminal; None where stdout is none. What is printed meanwhile appears above them."""
    from rich import progress as drawn
    from rich.console import Console

    console = Console(file=sys.stdout)
    columns = (
        drawn.TextColumn("{task.description}"), drawn.BarColumn(), drawn.MofNCompleteColumn(),
        drawn.TimeElapsedColumn(), drawn.TimeRemainingColumn(), drawn.TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    return drawn.Progress(*columns, console=console, transient=True) if console.is_terminal else None


class Bar:
    """How far something has come.

    Args:
        title: What it is.
        total: Parts in all, if known.
        say: Where to; None says nothing.
        progress: The drawn bar, on a terminal.
    """

    def __init__(self, title: str, total: int | None, say: Say | None, progress: "Progress | None" = None) -> None:
        self._title, self._total, self._say, self._progress = title, total, say, progress
        self._said = time.monotonic()
        self._task = progress.add_task(title, total=total, note="") if progress else None

    def at(self, done: int, note: str = "", total: int | None = None) -> None:
        """Show that so many parts are done, and perhaps how many there are."""
        self._total = total if total is not None else self._total
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=self._total, note=note)
        elif self._say and (time.monotonic() - self._said >= _LINE_EVERY_S):
            self._said = time.monotonic()
            self._say.line(f"  {self._title}: {done}/{self._total or '?'} {note}".rstrip())
