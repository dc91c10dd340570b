"""A figure in words, for who does not see it: its numbers, from the very data that plotly.js gets."""

import html
import math
from collections.abc import Iterator
from typing import Any

from pipeline.reports.figures.figure import Figure, Props

_MOST = 12
"""Things that are told one by one."""


def described(figure: Figure) -> str:
    """What is seen: of few points each with its interval, of lines where they begin and end, of cells the extremes."""
    traces = [it for it in figure.data if it.get("visible", True) is True]
    said = [it for trace in traces if (it := _trace(trace))]
    more = f"; and {len(said) - _MOST} more" if len(said) > _MOST else ""
    return f"{_axes(figure.layout)}{'; '.join(said[:_MOST])}{more}."


def _axes(layout: Props) -> str:
    titles = {axis: layout.get(f"{axis}axis", {}).get("title", {}).get("text", "") for axis in "xy"}
    if titles["x"] and titles["y"]:
        return f"{_plain(titles['y'])} against {_plain(titles['x'])}: "
    return "".join(f"{_plain(title)}: " for title in titles.values() if title)


def _trace(trace: Props) -> str:
    if trace["type"] == "heatmap":
        return _cells(trace)
    x, y = trace.get("x", []), trace.get("y", [])
    if trace.get("hoverinfo") == "skip" or not x:
        return ""
    name = _plain(trace.get("name", ""))
    if trace["type"] == "bar" or len(x) == 1:
        across = trace.get("orientation") == "h" or "error_x" in trace
        names, values = (y, x) if across else (x, y)
        if len(names) == 1 and not isinstance(names[0], str):
            return f"{name} at {_number(x[0])} and {_number(y[0])}"
        points = [
            f"{_plain(it)} {_number(value)}{_interval(trace, at, value)}"
            for at, (it, value) in enumerate(zip(names, values, strict=True))
        ]
        shown = ", ".join(points[:_MOST]) + (f", and {len(points) - _MOST} more" if len(points) > _MOST else "")
        return f"{name}: {shown}" if name and [name] != [_plain(it) for it in names] else shown
    return f"{name or 'points'} {_course(y)}".strip()


def _course(values: list) -> str:
    """`0.71 to 0.93 (25 points, lowest 0.70, highest 0.94)`."""
    known = [it for it in values if isinstance(it, int | float)]
    if not known:
        return f"{len(values)} points"
    ends = f"from {_number(known[0])} to {_number(known[-1])}"
    return f"{ends} ({len(known)} points, lowest {_number(min(known))}, highest {_number(max(known))})"


def _cells(trace: Props) -> str:
    cells = sorted(_known(trace), reverse=True)
    if not cells:
        return ""
    shown = cells if len(cells) <= _MOST else [*cells[:4], *cells[-2:]]
    said = ", ".join(
        f"{row} by {column} {_number(value)}" if column else _number(value) for value, row, column in shown
    )
    return said if len(shown) == len(cells) else f"of {len(cells)} cells the highest and lowest: {said}"


def _known(trace: Props) -> Iterator[tuple[float, str, str]]:
    for down, row in enumerate(trace["z"]):
        for across, value in enumerate(row):
            if value is not None:
                names = (trace.get("y", []), down), (trace.get("x", []), across)
                yield value, *(_plain(its[at]) if at < len(its) else str(at) for its, at in names)


def _interval(trace: Props, at: int, value: float) -> str:
    for name in ("error_x", "error_y"):
        bars = trace.get(name, {})
        if "array" in bars and bars["array"][at] is not None:
            up, down = bars["array"][at], bars.get("arrayminus", bars["array"])[at]
            return f" [{_number(value - down)}, {_number(value + up)}]"
    return ""


def _number(value: Any) -> str:
    if value is None:
        return "unknown"
    if not isinstance(value, int | float):
        return _plain(value)
    return f"{value:.4g}" if math.isfinite(value) else "unknown"


def _plain(text: object) -> str:
    """Without what Plotly reads as tags."""
    return html.unescape(str(text).replace("<br>", ""))
