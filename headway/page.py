"""What a report's page holds, read from its file: its first sentence, and its figures for Plotly."""

import base64
import json
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_GZIP = 31  # what zlib calls its format


class _Reader(HTMLParser):
    """Finds the heading, the packed figures, and the caption and place of each."""

    def __init__(self) -> None:
        super().__init__()
        self.heading, self.packed, self.captions = "", "", dict[str, str]()
        self._into, self._section, self._caption = "", "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "h1":
            self._into = "heading"
        elif tag == "script" and given.get("id") == "figures":
            self._into = "packed"
        elif tag == "details" and given.get("class") == "section":
            self._section = given.get("id") or ""
        elif tag == "figcaption":
            self._into, self._caption = "caption", f"{self._section}: "
        elif place := given.get("data-figure"):
            self.captions[place] = self._caption

    def handle_endtag(self, tag: str) -> None:
        self._into = ""

    def handle_data(self, data: str) -> None:
        if self._into == "heading":
            self.heading += data
        elif self._into == "packed":
            self.packed += data
        elif self._into == "caption":
            self._caption += data


def heading(page: Path) -> str:
    """The sentence that the page begins with."""
    return _read(page).heading


def figures(page: Path) -> dict[str, "Figure"]:
    """The page's figures by section and caption, `curves: income`, in its order; one that comes again gets a number.

    Their margins are plotly's own: the page's script measures texts instead.
    """
    from plotly.graph_objects import Figure

    reader = _read(page)
    if not reader.captions:
        return {}
    known: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(reader.packed), _GZIP))
    found: dict[str, Figure] = {}
    for place, caption in reader.captions.items():
        name, count = caption, 1
        while name in found:
            count += 1
            name = f"{caption} ({count})"
        figure = found[name] = Figure(known[place]["data"], known[place]["layout"])
        figure.update_xaxes(automargin=True).update_yaxes(automargin=True)
    return found


def _read(page: Path) -> _Reader:
    reader = _Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    reader.close()
    return reader
