"""Progress in a notebook: bars that the browser draws, which take no widgets."""

import html
import sys
import time
from dataclasses import dataclass
from typing import Any

from pipeline.steps.console import Bars, Console

_EVERY_S = 0.2  # a browser is told of each change, which takes a notebook's kernel a millisecond


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this process; a terminal's IPython is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


class NotebookConsole(Console):
    """Draws bars in the cell's output, and prints lines there."""

    def bars(self) -> Bars | None:
        """Those of the cell."""
        return NotebookBars()


@dataclass
class _Bar:
    title: str
    completed: int = 0
    total: int | None = None
    note: str = ""

    def markup(self) -> str:
        """As HTML; of unknown length the bar moves by itself."""
        known = f' value="{self.completed}" max="{self.total}"' if self.total else ""
        told = f"{self.completed}/{self.total or '?'} {self.note}"
        return f"<div>{html.escape(self.title)} <progress{known}></progress> {html.escape(told)}</div>"


class NotebookBars:
    """One output of a cell that is drawn anew, and empty at the end."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html, self._bars, self._drawn = HTML, list[_Bar](), 0.0
        self._output = display(HTML(""), display_id=True)

    def __enter__(self) -> "NotebookBars":
        return self

    def __exit__(self, *of_error: Any) -> None:
        self._output.update(self._html(""))

    def add_task(self, title: str, /, *, total: int | None, note: str) -> int:
        """Add a bar; its number."""
        self._bars.append(_Bar(title, total=total, note=note))
        self._draw()
        return len(self._bars) - 1

    def update(self, task: int, /, *, completed: int, total: int | None, note: str) -> None:
        """Draw it anew, a few times a second."""
        self._bars[task] = _Bar(self._bars[task].title, completed, total, note)
        if time.monotonic() - self._drawn >= _EVERY_S:
            self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        self._output.update(self._html("".join(bar.markup() for bar in self._bars)))
