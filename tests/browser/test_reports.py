"""The pages of the whole job and of each study on a desktop, a phone and paper, by mouse and by keyboard."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.browser.looks import faint, opened, pages_of, printed, text_of, words
from tests.browser.places import REPORTS, watched

_VIEWS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True},
}
_PAPER = 718  # pixels between the margins of A4
_EDGE = 12  # pixels at 72 dots per inch: 4 mm, less than any margin


@pytest.fixture(scope="module", params=REPORTS)
def report(request: pytest.FixtureRequest, said: dict[str, dict[str, Any]]) -> Path:
    return Path(said[request.param]["report"])


@pytest.fixture(scope="module", params=_VIEWS)
def view(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    """The report on a desktop (light) and on a phone (dark), with all that is folded open and all figures drawn."""
    with watched(browser, **_VIEWS[request.param]) as context:
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if _is_fault(message) else None)
        yield opened(page, report)
    assert not faults


def _is_fault(message: ConsoleMessage) -> bool:
    return message.type in ("error", "warning")


@pytest.fixture(scope="module")
def pdf(view: Page, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is printed from that view."""
    return printed(view, tmp_path_factory.mktemp("printed") / "report.pdf")


def test_nothing_is_cut_that_cannot_be_scrolled_to(view: Page) -> None:
    assert view.evaluate("document.documentElement.scrollWidth") == view.viewport_size["width"]
    assert view.evaluate("looks.cut()") == []
    assert view.evaluate("looks.collisions()") == []


def test_every_text_stands_out_from_what_is_behind_it(view: Page) -> None:
    assert faint(view) == []


def test_every_figure_is_drawn_and_told_in_words(view: Page) -> None:
    figures = view.locator("figure:has([data-figure])").all()
    assert figures
    for figure in figures:
        assert figure.locator("svg.main-svg").count()
        told = figure.locator("[role=img]").first.get_attribute("aria-label") or ""
        caption = figure.locator("figcaption").inner_text()
        assert len(told) > len(caption) + 20, f"{caption}: {told}"


def test_the_keyboard_reaches_links_folds_and_what_scrolls(view: Page) -> None:
    stops, reached = view.evaluate("looks.stops()"), set()
    view.evaluate("document.activeElement.blur()")
    for _ in range(2 * len(stops) + 20):
        view.keyboard.press("Tab")
        mark, seen, name = view.evaluate("looks.focus()")
        if mark is not None:
            assert seen, f"nothing shows that the keyboard is at {name}"
            reached.add(int(mark))
    assert [name for mark, name in enumerate(stops) if mark not in reached] == []


def test_paper_has_every_number_and_label_of_the_page(view: Page, pdf: Path) -> None:
    assert words(view.evaluate("looks.text(false)")) - words(text_of(pdf)) == {}
    assert view.evaluate("looks.unprinted()") == []


def test_nothing_passes_the_edge_of_the_paper(view: Page, pdf: Path) -> None:
    for page in grey_pages(pdf):
        assert min(page[:, :_EDGE].min(), page[:, -_EDGE:].min()) > 200
    with as_on_paper(view):
        assert view.evaluate("looks.cut()") == []
        assert view.evaluate("looks.collisions()") == []
        assert words(view.evaluate("looks.text(true)")) - words(text_of(pdf)) == {}


def test_paper_is_white_and_its_ink_dark_whatever_the_screen_is(pdf: Path) -> None:
    first = grey_pages(pdf)[0]
    assert np.median(first) == 255
    assert first.min() < 90


def grey_pages(pdf: Path) -> list[np.ndarray]:
    """Pages `[height, width]` of 0 (black) to 255."""
    return [np.asarray(page.convert("L")) for page in pages_of(pdf)]


@contextmanager
def as_on_paper(view: Page) -> Iterator[None]:
    """Lay the page out as it is printed: it hears of that before it changes."""
    size = view.viewport_size
    view.evaluate("dispatchEvent(new Event('beforeprint'))")
    view.emulate_media(media="print")
    view.set_viewport_size({"width": _PAPER, "height": 1000})
    yield
    view.evaluate("dispatchEvent(new Event('afterprint'))")
    view.emulate_media(media="null")
    view.set_viewport_size(size)
