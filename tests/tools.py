"""Programs of the system that some tests need, such as a browser; `make tools` installs them."""

import os
import shutil

import pytest

_REQUIRED = os.environ.get("HEADWAY_TOOLS") == "required"
_OTHER_NAMES = {"chromium": ("chromium-browser", "google-chrome")}
PAGES = ("chromium", "pdftotext", "pdftoppm")
"""What looking at pages takes."""


def path_of(program: str) -> str | None:
    """Where a program is, by any of its names; None where it is not installed."""
    return next(filter(None, map(shutil.which, (program, *_OTHER_NAMES.get(program, ())))), None)


def need(*programs: str) -> None:
    """Skip the test where a program is missing; under HEADWAY_TOOLS=required, fail it."""
    if missing := [it for it in programs if path_of(it) is None]:
        say = pytest.fail if _REQUIRED else pytest.skip
        say(f"not installed: {', '.join(missing)} (`make tools` installs them)")
