"""The page around the sections: one document with its style, its figures' data and one copy of plotly.js inside.

Its content policy forbids every request, so what is shown is what was logged.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.printable import escape
from pipeline.reports.figures.style import Panel
from pipeline.reports.library import packed
from pipeline.reports.style import SCRIPT, STYLE

_FIGURES, _TEXT, _CELLS = 2_000_000, 900_000, 6_000
"""Most letters of figures and of sections, so that with plotly.js a page has less than 5 MB; most cells of a table."""

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


@dataclass
class Page:
    """Collects sections and the figures in them."""

    _sections: list[tuple[str, str, str]] = field(default_factory=list)
    _figures: list[str] = field(default_factory=list)

    def section(self, anchor: str, title: str, *parts: str) -> None:
        """Add a section that can be folded away; without any part it is left out."""
        if body := "".join(parts):
            if sum(len(it) for _, _, it in self._sections) + len(body) > _TEXT:
                body = paragraph("Left out, since the page would be too large: the tables of the run hold it.")
            self._sections.append((anchor, title, body))

    def panels(self, panels: Iterable[Panel]) -> str:
        """Lay out panels side by side where the screen is wide enough."""
        panels = list(panels)
        narrow = " three" if sum(not panel.wide for panel in panels) == 3 else ""
        return f'<div class="panels{narrow}">{"".join(self._panel(panel) for panel in panels)}</div>' if panels else ""

    def document(self, title: str, head: str) -> str:
        """The whole page.

        Args:
            title: Of the browser's tab.
            head: HTML of what comes before the sections.
        """
        links = "".join(f'<a href="#{anchor}">{anchor.capitalize()}</a>' for anchor, _, _ in self._sections)
        sections = "".join(
            f'<details class="section" id="{anchor}" open><summary><h2>{escape(name)}</h2></summary>{body}</details>'
            for anchor, name, body in self._sections
        )
        return (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
            f"<style>{STYLE}</style></head>"
            f"<body><header>{head}</header><nav>{links}</nav><main>{sections}</main>"
            "<noscript><p>The figures need JavaScript; the tables do not.</p></noscript>"
            f"{''.join(self._figures)}{self._scripts()}</body></html>\n"
        )

    def _scripts(self) -> str:
        """What draws the figures; nothing for none."""
        if not self._figures:
            return ""
        return f'<script type="text/plain" id="plotly">{packed()}</script><script>{SCRIPT}</script>'

    def _panel(self, panel: Panel) -> str:
        drawn = self._drawn(panel) if panel.figure is not None else ""
        return (
            f'<figure class="panel{" wide" if panel.wide else ""}"><figcaption>{escape(panel.caption)}</figcaption>'
            f"{drawn}{paragraph(panel.sentence)}</figure>"
        )

    def _drawn(self, panel: Panel) -> str:
        assert panel.figure is not None
        name = f"figure-{len(self._figures)}"
        # A `<` inside the data could end the script element.
        data = panel.figure.to_json().replace("<", "\\u003c")
        if sum(map(len, self._figures)) + len(data) > _FIGURES:
            return "<p>Not drawn, since the page would be too large: the tables of the run hold it.</p>"
        self._figures.append(f'<script type="application/json" id="{name}">{data}</script>')
        height = panel.figure.height
        return (
            f'<div class="plot" data-figure="{name}" style="height:{height}px" role="img" '
            f'aria-label="{escape(panel.caption)}"></div>'
        )


def heading(answer: str, experiment: str, details: Iterable[str], cards: str = "") -> str:
    """The answer, the experiment, cards (HTML), and what the answer leaves out, a paragraph each; plain text."""
    about = f'<p class="about">Experiment <strong>{escape(experiment)}</strong></p>'
    said = "".join(f'<p class="about">{escape(line)}</p>' for line in details)
    return f"<h1>{escape(answer)}</h1>{about}{cards}{said}"


def table(headers: Iterable[str], rows: Iterable[Iterable[str]], caption: str = "") -> str:
    """A table of cells that are HTML already, nothing for no rows; headers and caption are plain text."""
    rows, headers = list(rows), list(headers)
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(header)}</th>' for header in headers)
    shown = rows[: max(_CELLS // len(headers), 1)]
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in shown)
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    left = len(rows) - len(shown)
    more = paragraph(f"{left:,} more rows are in the tables of the run." if left else "")
    return f'<div class="scroll"><table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'


def paragraph(text: str) -> str:
    """Plain text as a paragraph; nothing for none."""
    return f"<p>{escape(text)}</p>" if text else ""


def code(text: str) -> str:
    """Plain text as it is, such as commands; nothing for none."""
    lines = "\n".join(map(escape, text.split("\n")))
    return f"<pre>{lines}</pre>" if text else ""


def items(texts: Iterable[str]) -> str:
    """Plain texts as a list; nothing for none."""
    lines = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{lines}</ul>" if lines else ""


def folded(title: str, body: str) -> str:
    """Something to open."""
    return f'<details class="more"><summary>{escape(title)}</summary>{body}</details>'
