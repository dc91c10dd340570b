"""What a page is made of, without any markup: each class has a macro of its name in `templates/parts.html`.

All texts are plain: the templates escape them. A part that has nothing to show is false, and left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.reports.figures.style import Mark, Panel, marks

_CELLS = 6_000
"""Most cells of a table."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table that is more than a text.

    Attributes:
        text: What it says.
        notes: Smaller lines below, such as an interval.
        strong: More than noise, or changed.
        code: It is a setting or a value of one.
        mark: That of a candidate.
    """

    text: str
    notes: tuple[str, ...] = ()
    strong: bool = False
    code: bool = False
    mark: Mark | None = None

    def noted(self, *notes: str) -> "Cell":
        """With more lines below, without those that are empty."""
        return Cell(self.text, (*self.notes, *filter(None, notes)), self.strong, self.code, self.mark)


@dataclass(frozen=True)
class Tinted:
    """A cell of words, each tinted by how much it counts.

    Attributes:
        words: Each with its share of what the strongest counts, from -1, against, to 1.
    """

    words: Sequence[tuple[str, float]]


Row = Sequence[str | Cell | Tinted]


class Part:
    """Something in a section; false where it has nothing to show."""

    kind: ClassVar[str]


@dataclass(frozen=True)
class Paragraph(Part):
    """A paragraph."""

    kind = "paragraph"
    text: str

    def __bool__(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True)
class Subheading(Part):
    """A heading in a section."""

    kind = "subheading"
    text: str


@dataclass(frozen=True)
class Code(Part):
    """Text as it is typed, such as commands; nothing for none."""

    kind = "code"
    text: str

    def __bool__(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True)
class Items(Part):
    """A list of sentences; nothing for none."""

    kind = "items"
    texts: Sequence[str]

    def __bool__(self) -> bool:
        return len(self.texts) > 0


@dataclass(frozen=True)
class Table(Part):
    """A table; nothing for no rows. Of more rows than a page holds the first, and how many there are.

    Attributes:
        headers: Of the columns.
        rows: Each a cell a column.
        caption: What it shows.
    """

    kind = "table"
    headers: Sequence[str]
    rows: Sequence[Row]
    caption: str = ""

    def __bool__(self) -> bool:
        return len(self.rows) > 0

    @property
    def shown(self) -> Sequence[Row]:
        """The rows that are shown."""
        return self.rows[: max(_CELLS // len(self.headers), 1)]

    @property
    def left_out(self) -> int:
        """The rows that are not."""
        return len(self.rows) - len(self.shown)


@dataclass(frozen=True)
class Panels(Part):
    """Figures, side by side where the screen is wide enough; nothing for none."""

    kind = "panels"
    panels: Sequence[Panel]

    def __bool__(self) -> bool:
        return len(self.panels) > 0

    @property
    def three(self) -> bool:
        """Whether three narrow ones go side by side."""
        return sum(not panel.wide for panel in self.panels) == 3


class Folded(Part):
    """Something to open, which is printed open; nothing where there is nothing in it."""

    kind = "folded"

    def __init__(self, title: str, *parts: Part) -> None:
        self.title, self.parts = title, parts

    def __bool__(self) -> bool:
        return any(self.parts)


def candidate(name: str, among: Iterable[str] = (), note: str = "") -> Cell:
    """A candidate with its mark.

    Args:
        name: Of the candidate.
        among: All that the page shows: no two of them have one mark.
        note: Behind its name.
    """
    return Cell(name + note, mark=marks([name, *among])[name])


def setting(key: object) -> Cell:
    """A setting, or a value of one."""
    return Cell(str(key), code=True)
