"""A project whose whole job and studies were run, the servers that show it, and the browser that looks at them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, Route, sync_playwright

from tests.conftest import REPOSITORY, call_headway, make_project
from tests.tools import path_of

_LOCAL = ("http://127.0.0.1:", "file:", "data:", "blob:", "about:")

_SMALL = ("--set", "tuning.trials=10", "--set", "tuning.replicates=2")
COMMANDS = {
    "run": ("debug", *_SMALL),
    "compare": ("debug", "--methods", "upgrad", "--seeds", "2", "--trials", "2"),
    "affinity": ("digits", "--set", "training.seeds=2", "--set", "training.epochs=2", "--set", "affinity.every=4"),
    "explain": ("debug", *_SMALL, "--set", "explain.rows=16"),
}
REPORTS = tuple(COMMANDS)


def made(folder: Path, commands: Mapping[str, Sequence[str]] = COMMANDS) -> dict[str, dict[str, Any]]:
    """Run the whole job and each study in a new project.

    Args:
        folder: Of the project; it is made.
        commands: Arguments of each command.

    Returns:
        What each command says under `--json`: the path of its report, its run, the first line and so on.
    """
    with pytest.MonkeyPatch.context() as patch:
        make_project(folder, patch)
        results = {name: call_headway(name, *rest, "--json") for name, rest in commands.items()}
        for name, result in results.items():
            assert result.code == 0, f"{name}: {result.err}"
    return {name: result.json for name, result in results.items()}


@contextmanager
def serving(folder: Path, path: str, *command: str) -> Iterator[str]:
    """Start a server in a folder and end it afterwards.

    Args:
        folder: Its working directory.
        path: What is asked of it until it answers.
        command: Its command line; `PORT` stands for a free port.

    Yields:
        Its address without a slash at the end.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"http://127.0.0.1:{port}"
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    paths = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # mlflow calls uvicorn by name
    with Path(folder, "server.log").open("ab") as log:
        process = subprocess.Popen(
            [it.replace("PORT", port) for it in command], cwd=folder, stdout=log, stderr=log,
            env={**os.environ, **quiet, "PATH": paths, "PYTHONPATH": str(REPOSITORY)}, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not _answers(address + path):
            assert process.poll() is None, Path(folder, "server.log").read_text()
            assert time.monotonic() < deadline, f"{command} does not answer"
            time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5):
            return True
    except (URLError, OSError):
        return False


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path_of("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched(browser: Browser, **settings: object) -> Iterator[BrowserContext]:
    """A context of the browser from which no request may leave this machine.

    Args:
        browser: Where it is opened.
        settings: Of the context, such as `viewport`.

    Raises:
        AssertionError: A page asked for something elsewhere. The request was not let out.
    """
    context = browser.new_context(**settings)
    outside: list[str] = []

    def answer(route: Route) -> None:
        if route.request.url.startswith(_LOCAL):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    context.route("**/*", answer)
    try:
        yield context
    finally:
        context.close()
    assert not outside, f"asked for {outside}"
