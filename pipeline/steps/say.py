"""What the user sees while steps work: bars on a terminal, plain lines elsewhere, nothing when quiet or for JSON."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_LINE_EVERY_S = 15.0


class Say:
    """Progress and results go to stdout; warnings to stderr.

    Args:
        quiet: Say nothing but warnings.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._console = Console(file=sys.stdout, quiet=quiet, highlight=False, soft_wrap=True)

    def line(self, text: str) -> None:
        """A line of progress."""
        self._console.print(text, markup=False)

    def warn(self, text: str) -> None:
        """A line about something the user should know, on stderr."""
        Console(file=sys.stderr, highlight=False, soft_wrap=True).print(f"warning: {text}", markup=False)

    @contextmanager
    def bar(self, title: str, total: int | None) -> Iterator["Bar"]:
        """A bar of so many parts; None where their number is not known yet."""
        if self.quiet or not self._console.is_terminal:
            yield Bar(title, total, None if self.quiet else self)
            return
        columns: tuple[Any, ...] = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield Bar(title, total, self, progress)


class Bar:
    """How far something has come.

    Args:
        title: What it is.
        total: Parts in all, if known.
        say: Where to; None says nothing.
        progress: The drawn bar, on a terminal.
    """

    def __init__(self, title: str, total: int | None, say: Say | None, progress: Progress | None = None) -> None:
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
