"""How all figures look: colours that colour-blind readers tell apart, on whatever background the page has."""

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.config.balancing import Balancing
from pipeline.printable import printable
from pipeline.reports.figures.described import described
from pipeline.reports.figures.figure import Figure

_CANDIDATES = {
    "default": "#3f8fd2",
    "equal": "#3f8fd2",
    "together": "#3f8fd2",
    "single-task": "#e08a1e",
    "separate": "#9a7fd1",
    "tuned": "#1fa37a",
}
_OTHERS = ("#d1608f", "#8a9a2e", "#c9584c", "#5b8c99", "#b07d3c", "#6a5acd", "#7d8794")
_METHODS = {name: place for place, name in enumerate(Balancing.choices)}
_OTHER_SYMBOLS = ("cross", "x", "triangle-up", "triangle-down", "hexagram", "pentagon")
"""Not as many as there are other colours, nor a multiple: 42 of them share no pair of both."""
_SYMBOLS = {
    "default": "circle",
    "equal": "circle",
    "together": "circle",
    "single-task": "square",
    "separate": "diamond",
    "tuned": "star",
}
_HATCHES = ("", "/", ".", "x", "-", "|", "+", "\\")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")

FAINT = "rgba(128,128,128,0.22)"
MUTED = "rgba(128,128,128,0.75)"
GOOD, BAD = "#1fa37a", "#d4593f"
BLUE = "#3f8fd2"

STRONGEST = 0.7
"""Opacity of the strongest colour of a cell, on which its number can still be read, by day and by night."""


@dataclass(frozen=True)
class Panel:
    """One figure with its caption, or a sentence in its place.

    Attributes:
        caption: What it shows, plain text.
        figure: None where there is nothing to draw.
        sentence: Why there is nothing to draw, or how to read the figure.
        wide: It needs the whole width of the page.
        alt: What is seen, in words; by default made of the figure's numbers.
    """

    caption: str
    figure: Figure | None = None
    sentence: str = ""
    wide: bool = False
    alt: str = ""

    @property
    def described(self) -> str:
        """The figure in words."""
        if self.figure is None:
            return self.caption
        return f"{self.caption}. {self.alt or described(self.figure)}"


@dataclass(frozen=True)
class Mark:
    """How a candidate is drawn.

    Attributes:
        colour: `#rrggbb`.
        symbol: Plotly's name of its marker, for readers who cannot go by colour.
    """

    colour: str
    symbol: str


def marks(names: Iterable[str]) -> dict[str, Mark]:
    """A mark for each of the candidates, methods or groupings of a page, whatever their order.

    No two of them look the same. Of more than seven beside the well-known ones colours come again, with another symbol.
    """
    known = list(dict.fromkeys(names))
    others = sorted((it for it in known if it not in _CANDIDATES), key=lambda it: (_METHODS.get(it, len(_METHODS)), it))
    found = {name: Mark(_CANDIDATES[name], _SYMBOLS[name]) for name in known if name in _CANDIDATES}
    for place, name in enumerate(others):
        found[name] = Mark(_OTHERS[place % len(_OTHERS)], _OTHER_SYMBOLS[place % len(_OTHER_SYMBOLS)])
    return {name: found[name] for name in known}


def series(index: int) -> str:
    """The colour of the index-th of several tasks or other things that are no candidates."""
    colours = (*dict.fromkeys(_CANDIDATES.values()), *_OTHERS)
    return colours[index % len(colours)]


def shape(index: int) -> str:
    """The marker of the index-th of several things, for readers who cannot go by colour."""
    shapes = (*dict.fromkeys(_SYMBOLS.values()), *_OTHER_SYMBOLS)
    return shapes[index % len(shapes)]


def dash(index: int) -> str:
    """The line of the index-th of several things, for readers who cannot go by colour."""
    return _DASHES[index % len(_DASHES)]


def hatch(index: int) -> str:
    """The pattern of the bars of the index-th of several things, for readers who cannot go by colour."""
    return _HATCHES[index % len(_HATCHES)]


def see_through(hex_colour: str, opacity: float) -> str:
    """A `#rrggbb` colour as rgba."""
    red, green, blue = (int(hex_colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


DIVERGING = (
    (0.0, see_through(BAD, STRONGEST)),
    (0.5, see_through(BAD, 0.0)),
    (0.5, see_through(BLUE, 0.0)),
    (1.0, see_through(BLUE, STRONGEST)),
)
"""Of values with a sign: below zero red, above it blue, paler towards zero; numbers or signs stand beside them."""


_COUNTED = ("trial", "look at validation")
_TICKS = 12


def text(value: object) -> str:
    """Text that Plotly shows as it is: it would read tags."""
    return html.escape(printable(value), quote=False)


def bar(ink: str, index: int) -> dict[str, Any]:
    """The marker of the bars of the index-th of several things."""
    pattern = {"shape": hatch(index), "solidity": 0.25, "fgcolor": "#fff", "fillmode": "overlay"}
    return {"color": ink, "line": {"width": 0}, "pattern": pattern}


def styled(figure: Figure, height: int = 300, x: str = "", y: str = "", legend: bool = True) -> Figure:
    """Give a figure the page's look: no background of its own, thin grid, legend above, titles x and y.

    The page sets the colour of the text, which depends on its theme.
    """
    figure.layout.pop("template", None)
    figure.layout.pop("title", None)
    figure.update_layout(
        template={"data": {"scatter": [{"type": "scatter"}]}},  # Plotly's "none"
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12},
        showlegend=legend,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "title": {"text": ""}},
        hoverlabel={"font": {"size": 12}},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": BLUE},
        dragmode=False,  # a finger that scrolls the page must not zoom
    )
    axis = {"gridcolor": FAINT, "zerolinecolor": FAINT, "linecolor": FAINT, "tickcolor": FAINT}
    axis |= {"ticklabeloverflow": "allow"}  # the page makes room for all labels
    figure.update_xaxes(**axis, autotickangles=[0, 90])  # what is aslant is no word when it is printed
    figure.update_yaxes(**axis)
    if x:
        figure.update_xaxes(title={"text": x, "standoff": 6})
    if x in _COUNTED and max((it for trace in figure.data for it in trace["x"] if it is not None), default=0) <= _TICKS:
        figure.update_xaxes(dtick=1)  # plotly.js would halve steps
    if y:
        figure.update_yaxes(title={"text": y, "standoff": 6})
    return figure
