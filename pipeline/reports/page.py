"""The page around the sections: one document with its style, its figures' data and one copy of plotly.js inside.

Its content policy forbids every request, so what is shown is what was logged. All sorts of pages are made alike:

1. Python chooses and words the data: a `Head`, and `Page.section` with the parts (`pipeline.reports.parts`) of each
   section. No string of it is markup.
2. `Page.document` lays them out by `templates/base.html`, where a macro of `templates/parts.html` draws each part. A
   sort that shows more extends the base by a template of its own, as `templates/report.html` does.
"""

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from pipeline.reports.environment import rendered
from pipeline.reports.figures.figure import Figure
from pipeline.reports.parts import Paragraph, Part

_FIGURES, _TEXT = 110_000, 160_000
"""Most bytes of packed figures, and letters of sections, so that with plotly.js a page has less than 1 MB."""

_GZIP = 31  # what zlib calls its format

LIBRARY = "plotly-cartesian.min.js.gz"
"""In `static`: the bundle of plotly.js with all that our figures use, in the version that plotly for Python carries."""


@dataclass(frozen=True)
class Head:
    """What a page begins with.

    Attributes:
        plain: One sentence that a newcomer understands.
        answer: The answer with its numbers, as the command prints it.
        kind: What the page is, such as `Report`.
        name: Of the experiment.
        details: What the answer does not say, a sentence each.
        whose: Of which candidate or model; empty where it is of all.
    """

    plain: str
    answer: str
    kind: str
    name: str
    details: Sequence[str] = ()
    whose: str = ""


@dataclass(frozen=True)
class Section:
    """A section with its body as markup."""

    anchor: str
    title: str
    body: Markup


class Figures:
    """The data of the figures, packed as one, since they are alike; false without any."""

    def __init__(self) -> None:
        self._count, self._packed = 0, b""
        self._packer = zlib.compressobj(wbits=_GZIP)

    def __bool__(self) -> bool:
        return self._count > 0

    def place(self, figure: Figure) -> str | None:
        """The name under which the page finds the figure; None where it would be too large."""
        name, packer = f"figure-{self._count}", self._packer.copy()
        text = f'{"," if self else "{"}"{name}":{figure.to_json()}'
        packed = self._packed + packer.compress(text.encode()) + packer.flush(zlib.Z_SYNC_FLUSH)
        if len(packed) > _FIGURES:
            return None
        self._count, self._packed, self._packer = self._count + 1, packed, packer
        return name

    @property
    def packed(self) -> str:
        """By name what plotly.js takes, gzipped, in base64."""
        packer = self._packer.copy()
        return base64.b64encode(self._packed + packer.compress(b"}") + packer.flush()).decode()

    @property
    def library(self) -> str:
        """plotly.js, gzipped, in base64."""
        return library()


@dataclass
class Page:
    """Collects sections and the figures in them."""

    _sections: list[Section] = field(default_factory=list)
    _figures: Figures = field(default_factory=Figures)

    def section(self, anchor: str, title: str, *parts: Part) -> None:
        """Add a section that can be folded away; without any part that shows something it is left out."""
        if not any(parts):
            return
        body = self._laid_out(parts)
        if sum(len(it.body) for it in self._sections) + len(body) > _TEXT:
            body = self._laid_out(
                [Paragraph("Left out, since the page would be too large: the tables of the run hold it.")]
            )
        self._sections.append(Section(anchor, title, body))

    def document(self, title: str, head: Head, template: str = "base.html", **values: Any) -> str:
        """The whole page.

        Args:
            title: Of the browser's tab.
            head: What it begins with.
            template: That extends `base.html`, or this itself.
            values: What such a template shows beside.
        """
        whole = rendered(
            template,
            title=title,
            head=head,
            sections=self._sections,
            figures=self._figures,
            **values,
        )
        return str(whole)

    def _laid_out(self, parts: Sequence[Part]) -> Markup:
        return rendered("section.html", parts=parts, figures=self._figures)


@cache
def library() -> str:
    """plotly.js, gzipped, in base64."""
    return base64.b64encode((files("pipeline.reports") / "static" / LIBRARY).read_bytes()).decode()
