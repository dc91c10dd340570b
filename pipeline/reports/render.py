"""From what was logged to the page."""

from pipeline.analysis.metrics import TITLES
from pipeline.printable import escape
from pipeline.reports.data import ReportData
from pipeline.reports.page import Page, heading
from pipeline.reports.sections import SECTIONS
from pipeline.reports.shown import narrowed
from pipeline.reports.verdict import details, verdict
from pipeline.reports.words import bounds, number

_WORDS = {"better": "better together", "worse": "better alone", "unclear": "no clear difference"}


def render(data: ReportData) -> str:
    """The report as one HTML document without external requests; its first line answers whether sharing helps."""
    page = Page()
    shown, said = narrowed(data)
    for anchor, title, parts in SECTIONS:
        page.section(anchor, title, *parts(page, shown))
    return page.document(f"Headway: {data.name}", _head(data, shown, said))


def _head(data: ReportData, shown: ReportData, narrower: str) -> str:
    """What is said of all tasks, and a card for each that is shown."""
    rows = shown.difference(data.shared, data.of_role("single"))
    reach = float(rows[["low", "high"]].abs().max(axis=None)) if len(rows) else 0.0
    cards = "".join(_card(data, row, reach) for row in rows.to_dict("records"))
    lines = [*details(data), *([narrower] if narrower else [])]
    return heading(verdict(data), data.name, lines, f'<div class="cards">{cards}</div>')


def _card(data: ReportData, row: dict, reach: float) -> str:
    shared, alone = (100 * data.level(row[who], row["task"]) for who in ("candidate", "against"))
    metric = TITLES[row["metric"]]
    kind = row["verdict"]
    return (
        f'<div class="card {kind}"><span class="name">{escape(row["task"])}</span> '
        f'<span class="pill {kind}">{_WORDS[kind]}</span><b>{number(100 * row["mean"], "+.2f", " points")}</b>'
        f"{_bar(row, reach)}<small>{bounds(row, 100.0)}</small><small>{metric} shared {number(shared, '.2f', ' %')}, "
        f"alone {number(alone, '.2f', ' %')}</small></div>"
    )


def _bar(row: dict, reach: float) -> str:
    """The interval as a bar around zero, on the same scale on every card; nothing where it is not known."""
    if not bounds(row):
        return ""
    low, mean, high = (50.0 + 48.0 * row[name] / (reach or 1.0) for name in ("low", "mean", "high"))
    return (
        '<svg role="img" aria-label="the interval and where zero lies"><line class="zero" x1="50%" x2="50%" y1="0" '
        f'y2="26"/><line class="span" x1="{low:.1f}%" x2="{high:.1f}%" y1="13" y2="13"/>'
        f'<circle cx="{mean:.1f}%" cy="13" r="6"/></svg>'
    )
