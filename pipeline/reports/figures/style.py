"""How all figures look: colours that colour-blind readers tell apart, on whatever background the page has."""

import html
from dataclasses import dataclass

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
_OTHER_SYMBOLS = ("cross", "x", "triangle-up", "hexagram", "pentagon")
_SYMBOLS = {
    "default": "circle",
    "equal": "circle",
    "together": "circle",
    "single-task": "square",
    "separate": "diamond",
    "tuned": "star",
}

FAINT = "rgba(128,128,128,0.22)"
MUTED = "rgba(128,128,128,0.75)"
GOOD, BAD = "#1fa37a", "#d4593f"
BLUE = "#3f8fd2"


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


def colour(name: str, index: int = 0) -> str:
    """The colour of a candidate or a balancing method, or of the index-th thing of another kind."""
    return _CANDIDATES.get(name, _OTHERS[_METHODS.get(name, index) % len(_OTHERS)])


def series(index: int) -> str:
    """The colour of the index-th of several tasks or other things that are no candidates."""
    colours = (*dict.fromkeys(_CANDIDATES.values()), *_OTHERS)
    return colours[index % len(colours)]


def symbol(name: str) -> str:
    """The marker of a candidate or a balancing method, for readers who cannot go by colour."""
    return _SYMBOLS.get(name, _OTHER_SYMBOLS[_METHODS.get(name, 0) % len(_OTHER_SYMBOLS)])


def see_through(hex_colour: str, opacity: float) -> str:
    """A `#rrggbb` colour as rgba."""
    red, green, blue = (int(hex_colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def text(value: object) -> str:
    """Text that Plotly shows as it is: it would read tags."""
    return html.escape(printable(value), quote=False)


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
    axis = {"automargin": True, "gridcolor": FAINT, "zerolinecolor": FAINT, "linecolor": FAINT, "tickcolor": FAINT}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    if x:
        figure.update_xaxes(title={"text": x, "standoff": 6})
    if y:
        figure.update_yaxes(title={"text": y, "standoff": 6})
    return figure
