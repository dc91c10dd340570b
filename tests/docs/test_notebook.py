"""The notebook of docs/how_to/notebook.md is the page, all its cells run, and a browser shows what they show."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.places import chromium, watched
from tests.conftest import make_project
from tests.docs.notebook import FIGURE, NOTEBOOK, PAGE, Executed, executed, made
from tests.docs.pages import environment
from tests.tools import need


def test_the_notebook_is_the_page() -> None:
    again = "write it again: python -m tests.docs.notebook"
    assert NOTEBOOK.read_text(encoding="utf-8") == made(PAGE.read_text(encoding="utf-8")), again


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_project(tmp_path_factory.mktemp("notebook") / "project", patch)


@pytest.fixture(scope="module")
def done(folder: Path) -> Executed:
    """All cells were run, one after the other, and none failed."""
    return executed(folder, environment())


def test_cells_show_tables_a_figure_and_no_warning(done: Executed, folder: Path) -> None:
    result, delta_m, figure, answers = [cell for cell in done.shown().values() if cell]
    assert "as written, untuned" in result[-1]["text/html"]
    assert result[-1]["text/html"].count("<tr>") == 2
    assert "<th>single-task</th>" in result[-1]["text/html"]
    assert "<td>single-task</td>" in delta_m[0]["text/html"]
    assert [it["name"] for it in figure[0][FIGURE]["data"]]
    assert answers[0]["text/html"].count("class_0") == 5
    assert done.errors() == ""
    assert (folder / "experiments" / "wines.yaml").exists()


def test_bars_move_while_a_cell_runs_and_are_gone_at_its_end(done: Executed) -> None:
    bars = [it for it in done.updates if it]
    assert any('<progress value="' in it and it.startswith("<div>train default ") for it in bars)
    assert done.updates[-1] == ""
    assert all("<progress" not in it["text/html"] for cell in done.shown().values() for it in cell if "text/html" in it)


@pytest.fixture(scope="module")
def page(done: Executed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The notebook in Chromium."""
    need("chromium")
    file = tmp_path_factory.mktemp("exported") / "notebook.html"
    file.write_text(done.as_html(), encoding="utf-8")
    with chromium() as browser, watched(browser, viewport={"width": 1280, "height": 900}) as context:
        page, faults = context.new_page(), list[str]()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(file.as_uri())
        page.wait_for_selector("svg.main-svg .point")
        yield page
    assert not faults


def test_the_browser_shows_the_answer_tables_and_the_figure_with_its_labels(page: Page) -> None:
    assert page.get_by_text("as written, untuned").is_visible()
    for text in ("single-task", "cultivar/class"):
        assert page.locator("table.dataframe").get_by_text(text).first.is_visible()
    frame = page.locator(".js-plotly-plot").bounding_box()
    labels = page.locator(".js-plotly-plot svg text").filter(has_text="single-task")
    for box in (it.bounding_box() for it in [labels.first, page.locator(".js-plotly-plot .xtick").last]):
        assert frame["x"] <= box["x"] < box["x"] + box["width"] <= frame["x"] + frame["width"]
        assert frame["y"] <= box["y"] < box["y"] + box["height"] <= frame["y"] + frame["height"]
