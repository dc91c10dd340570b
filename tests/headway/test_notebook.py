"""Bars in a notebook's cell, before a stand-in for IPython."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from headway.notebook import NotebookConsole, in_notebook
from headway.session import console_of


class Output:
    """What a cell shows, one after the other."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def display(self, what: str, display_id: bool) -> "Output":
        assert display_id
        self.update(what)
        return self

    def update(self, what: str) -> None:
        self.shown.append(what)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    """A notebook's kernel."""
    output, ipython, shown = Output(), ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())
    shown.HTML, shown.display = str, output.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return output


def test_a_cell_shows_bars_while_steps_work(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.notebook._EVERY_S", 0.0)
    console = console_of(quiet=False)
    assert isinstance(console, NotebookConsole)
    with console.bar("tune <a>", None) as bar:
        bar.at(2, "best 0.9")
        bar.at(3, total=10)
    first, *drawn, last = output.shown
    assert first == last == ""
    assert drawn == [
        "<div>tune &lt;a&gt; <progress></progress> 0/? </div>",
        "<div>tune &lt;a&gt; <progress></progress> 2/? best 0.9</div>",
        '<div>tune &lt;a&gt; <progress value="3" max="10"></progress> 3/10 </div>',
    ]


def test_a_browser_is_told_a_few_times_a_second(output: Output) -> None:
    with console_of(quiet=False).bar("train", 1000) as bar:
        for done in range(1000):
            bar.at(done)
    assert len(output.shown) < 10


def test_a_quiet_command_shows_nothing(output: Output) -> None:
    with console_of(quiet=True).bar("train", 3) as bar:
        bar.at(3)
    assert output.shown == []


def test_a_script_and_a_terminal_are_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert not in_notebook()
