"""What a report shows in Chromium: words, what is cut off, contrast, where Tab goes; and the same of its PDF."""

import io
import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page

_SCRIPT = Path(__file__).with_name("looks.js").read_text()
_NO_TEXT = "* { color: transparent !important; } text, tspan { fill: transparent !important; }"
_MARGIN = "10mm"  # what Chromium's print dialog takes by default


def opened(page: Page, report: Path) -> Page:
    """Open a report, with all that is folded opened and all figures drawn.

    Args:
        page: An empty page.
        report: The file.
    """
    page.goto(report.as_uri())
    page.evaluate(_SCRIPT)
    page.evaluate("looks.open()")
    page.evaluate("looks.draw()")
    return page


def words(text: str) -> Counter[str]:
    """The numbers, with their signs, and words of a text. Two texts have the same whatever lines they are broken into.

    >>> sorted(words("debug, +1.5 % [-0.3,"))
    ['+1.5', '-0.3', 'debug']
    """
    return Counter(re.findall(r"[-+−]?\w+(?:[.,]\d+)*", text))


def faint(page: Page, least: float = 4.5) -> list[str]:
    """Texts whose contrast with what is behind them is below a ratio of WCAG, each with its own.

    What is behind is taken from a picture of the page without its texts, so that it may also be a bar or a heat map.
    """
    texts = page.evaluate("looks.colours()")
    page.evaluate("style => { const it = document.createElement('style'); it.id = 'no-text'; it.textContent = style;"
                  " document.head.append(it); }", _NO_TEXT)  # fmt: skip
    picture = np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB"), np.float64)
    page.evaluate("document.getElementById('no-text').remove()")
    found = []
    for text in texts:
        left, top, right, bottom = (round(it) for it in text["box"])
        behind = np.median(picture[top:bottom, left:right].reshape(-1, 3), axis=0)
        *colour, opacity = text["colour"]
        ratio = _contrast(opacity * np.array(colour) + (1 - opacity) * behind, behind)
        if ratio < least:
            found.append(f"{ratio:.2f} {text['text']}")
    return found


def _contrast(one: np.ndarray, other: np.ndarray) -> float:
    """The ratio of WCAG 2 between two colours `[3]` of 0 to 255."""

    def luminance(colour: np.ndarray) -> float:
        share = colour / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def printed(page: Page, path: Path) -> Path:
    """Print to a PDF on A4 as the browser's dialog does: with its default margins, without backgrounds."""
    page.pdf(path=path, format="A4", prefer_css_page_size=True, margin=dict.fromkeys(
        ("top", "right", "bottom", "left"), _MARGIN))  # fmt: skip
    return path


def text_of(pdf: Path) -> str:
    """All that is to be read in a PDF."""
    return subprocess.run(["pdftotext", "-raw", pdf, "-"], capture_output=True, text=True, check=True).stdout


def pages_of(pdf: Path, dots: int = 72) -> list[Image.Image]:
    """The pages of a PDF as pictures with so many dots per inch."""
    subprocess.run(["pdftoppm", "-r", str(dots), pdf, pdf.with_suffix("")], check=True)
    return [Image.open(page) for page in sorted(pdf.parent.glob(f"{pdf.stem}-*.ppm"))]
