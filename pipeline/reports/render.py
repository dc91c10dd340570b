"""From what was logged to the page."""

from typing import Any

from pipeline.analysis.metrics import TITLES
from pipeline.reports.data import ReportData
from pipeline.reports.page import Head, Page
from pipeline.reports.sections import SECTIONS
from pipeline.reports.shown import narrowed
from pipeline.reports.verdict import details, plain, verdict
from pipeline.reports.words import bounds, number

_WORDS = {"better": "better together", "worse": "better alone", "unclear": "no clear difference"}


def render(data: ReportData) -> str:
    """The report as one HTML document without external requests; it begins with whether sharing helps."""
    page = Page()
    shown, narrower = narrowed(data)
    for anchor, title, parts in SECTIONS:
        page.section(anchor, title, *parts(shown))
    details_of = [*details(data), *([narrower] if narrower else [])]
    head = Head(plain(data), verdict(data), "Report", data.name, details_of)
    return page.document(f"Headway: {data.name}", head, "report.html", cards=_cards(data, shown))


def _cards(data: ReportData, shown: ReportData) -> list[dict[str, Any]]:
    """For each task that is shown how it fares together against alone, as `templates/report.html` takes it."""
    if data.decision.lack == "one_task":  # whose network alone is the shared one
        return []
    rows = shown.difference(data.shared, data.of_role("single"))
    reach = float(rows[["low", "high"]].abs().max(axis=None)) if len(rows) else 0.0
    return [_card(data, row, reach) for row in rows.to_dict("records")]


def _card(data: ReportData, row: dict, reach: float) -> dict[str, Any]:
    shared, alone = (100 * data.level(row[who], row["task"]) for who in ("candidate", "against"))
    between = bounds(row, 100.0)
    return {
        "task": row["task"],
        "verdict": row["verdict"],
        "said": _WORDS[row["verdict"]],
        "points": number(100 * row["mean"], "+.2f", " points"),
        "bounds": between,
        "levels": f"{TITLES[row['metric']]} shared {number(shared, '.2f', ' %')}, alone {number(alone, '.2f', ' %')}",
        "place": _places(row, reach) if between else None,
        "scale": f"{-100 * reach:.2f} to {100 * reach:.2f}",
    }


def _places(row: dict, reach: float) -> dict[str, str]:
    """Where the interval and its middle lie around zero, in percent of the card, on the same scale on every card."""
    return {name: f"{50.0 + 48.0 * row[name] / (reach or 1.0):.1f}" for name in ("low", "mean", "high")}
