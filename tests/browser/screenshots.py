"""Takes the pictures of docs/reports.md and docs/mlflow.md: `python -m tests.browser.screenshots FOLDER`.

Runs the whole job and the studies of `digits` in a new project in FOLDER, and goes through all places as the tests do.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser

from tests.browser.looks import opened, pages_of, printed
from tests.browser.places import chromium, made, watched
from tests.browser.walk import walk
from tests.conftest import REPOSITORY

IMAGES = REPOSITORY / "docs" / "images"
_COMMANDS = {
    "run": ("digits",),
    "compare": ("digits", "--methods", "uncertainty,upgrad"),
    "affinity": ("digits",),
    "explain": ("digits",),
}
_DESKTOP = {"viewport": {"width": 1280, "height": 860}}
_PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True}
_DOTS = 100  # per inch of paper
_QUALITY = 75  # of WebP: letters stay sharp


def main(folder: Path) -> None:
    """Make the project, and a picture of each place in it."""
    IMAGES.mkdir(exist_ok=True)
    said = made(folder, _COMMANDS)
    with chromium() as browser:
        for name, picture in _pictures(browser, folder, said):
            picture.convert("RGB").save(IMAGES / f"{name}.webp", quality=_QUALITY, method=6)
            print(f"{name}: {(IMAGES / f'{name}.webp').stat().st_size / 1024:.0f} KB", flush=True)


def _pictures(browser: Browser, folder: Path, said: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Image.Image]]:
    for name, page in walk(browser, folder, said["run"]):
        # Where the files of this machine lie is no part of the tour.
        yield name, _image(page.screenshot(mask=[page.get_by_text("file://")], mask_color="#ffffff"))
    for name, result in said.items():
        for view, settings in (("desktop", _DESKTOP), ("phone", _PHONE)):
            with watched(browser, **settings) as context:
                page = opened(context.new_page(), Path(result["report"]))
                yield f"{name}-{view}", _image(page.screenshot())
                if view == "desktop":
                    yield f"{name}-paper", pages_of(printed(page, folder / f"{name}.pdf"), _DOTS)[0]


def _image(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
