"""What the tests in a browser share: a project, run once for all processes of the tests, and a Chromium."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from playwright.sync_api import Browser

from tests.browser.places import chromium, made
from tests.tools import PAGES, need


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    need(*PAGES)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The project, made by the first process that needs it."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    folder, said = shared / "browser", shared / "browser.json"
    with FileLock(shared / "browser.lock"):
        if not said.exists():
            results = made(folder)
            said.write_text(json.dumps(results))
    return folder


@pytest.fixture(scope="session")
def said(folder: Path) -> dict[str, dict[str, Any]]:
    """What each command said, by name."""
    return json.loads(folder.with_name("browser.json").read_text())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for a module: as long as Playwright is there, this process has an event loop that runs."""
    with chromium() as browser:
        yield browser
