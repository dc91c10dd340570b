"""The way of a new user through MLflow and Optuna's dashboard, by links and buttons as they are on the pages."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page

from tests.browser.places import serving, watched

SCREEN = {"width": 1440, "height": 900}
_PATIENCE = 60_000  # milliseconds, on a machine that is busy
_NO_ASSISTANT = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""


def walk(browser: Browser, folder: Path, said: dict[str, Any]) -> Iterator[tuple[str, Page]]:
    """Go from place to place, each entered from the one before.

    Args:
        browser: In which to go.
        folder: Of the project.
        said: What `headway run --json` printed.

    Yields:
        The name of each place, and its page once that shows what it is there for.
    """
    with mlflow_ui(folder) as ui, _context(browser) as context:
        page = context.new_page()
        page.goto(f"{ui}/#/experiments?workflowType=machine_learning")  # as `make ui` prints it
        page.get_by_role("link", name=said["experiment"], exact=True).click()
        page.get_by_role("button", name="Got it").click()  # on the page of language models, which MLflow opens
        page.get_by_role("button", name="Model training").click()
        page.locator("[role=row][row-id]").first.wait_for()
        yield "experiment", page

        # After a study of hundreds of trials early pipelines are behind "Load more" there, but not in this view.
        page = _new_tab(page.get_by_role("link", name="Its pipelines"))
        row = page.locator(f'[role=row][row-id="{said["run_id"]}"]')
        row.get_by_role("link").first.click()
        page.get_by_text("Show more").first.click()
        page.get_by_test_id("key-value-Child runs").get_by_role("link").first.wait_for()
        yield "run", page

        every = _new_tab(page.get_by_role("link", name="All pipelines of this experiment"))
        every.get_by_text("delta_m_percent").first.wait_for()
        yield "pipelines", every

        report = _new_tab(page.get_by_role("link", name="Report", exact=True))
        figure = report.frame_locator("iframe").locator("[data-figure]").first
        figure.scroll_into_view_if_needed()
        figure.locator("svg.main-svg").first.wait_for()
        yield "artifact", report

        step = _new_tab(page.get_by_role("link", name="tune", exact=True).first)
        step.get_by_role("link", name=re.compile(r"^trial \d+$")).first.wait_for()
        step.get_by_test_id("key-value-Parent run").get_by_role("link").wait_for()
        yield "child", step

        trials = _new_tab(page.get_by_role("link", name="its trials, best first").first)
        chosen = trials.locator("[role=row][row-id] input.ag-checkbox-input")
        chosen.nth(9).wait_for()
        yield "trials", trials

        for place in range(10):
            chosen.nth(place).check()
        trials.get_by_role("button", name="Compare").click()
        trials.get_by_text("Comparing 10 Runs").wait_for()
        trials.locator(".js-plotly-plot").first.wait_for()
        yield "compared", trials

        version = _new_tab(page.get_by_role("link", name=re.compile("version 1$")))
        version.get_by_text(re.compile(r"Outputs \([1-9]")).wait_for()
        yield "version", version

        version.locator("a[href*='/models/m-']:not([target])").click()  # the description's opens another tab
        # The table draws the rows that one sees; which network is champion decides what these are.
        version.get_by_text(re.compile("test/(digit|parity)/accuracy")).first.wait_for()
        yield "model", version

    with dashboard(folder, said["experiment"]) as address, _context(browser) as context:
        page = context.new_page()
        page.goto(address)
        page.get_by_role("cell", name="objective", exact=True).wait_for()
        page.locator(".js-plotly-plot").first.wait_for()
        yield "dashboard", page


def mlflow_ui(folder: Path) -> Any:
    """The server that `make ui` starts."""
    return serving(folder, "/health", "mlflow", "ui", "--backend-store-uri", "sqlite:///mlflow.db", "--port", "PORT")


@contextmanager
def dashboard(folder: Path, experiment: str) -> Iterator[str]:
    """The server that `headway dashboard` starts; its address is that of a study, as it is printed."""
    command = ("python", "-m", "pipeline", "dashboard", experiment, "--port", "PORT")
    with serving(folder, "/dashboard", *command) as address:
        printed = re.search(rf"{address}\S+", Path(folder, "server.log").read_text())
        assert printed
        yield printed[0]


@contextmanager
def _context(browser: Browser) -> Iterator[BrowserContext]:
    with watched(browser, viewport=SCREEN) as context:
        context.add_init_script(_NO_ASSISTANT)
        context.set_default_timeout(_PATIENCE)
        yield context


def _new_tab(link: Locator) -> Page:
    """Follow a link of a description, which MLflow opens in a new tab."""
    with link.page.context.expect_page() as tab:
        link.click()
    return tab.value
