"""A figure as the plain data that plotly.js draws.

Plotly's own Python objects check every value as it is set, which takes longer than all else of a page. What they would
write of the same calls is the same, which a test holds.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partialmethod
from typing import Any

import numpy as np
import pandas as pd

Props = dict[str, Any]

_OF_POINTS = ("x", "y", "customdata", "text")


class Figure:
    """Traces and a layout.

    Args:
        data: Traces, each with its `type`.
        layout: Of the whole.
    """

    def __init__(self, data: list[Props] | None = None, layout: Props | None = None) -> None:
        self.data, self.layout = data or [], layout or {}

    @classmethod
    def of(cls, drawn: Any) -> "Figure":
        """What one of Plotly's figures holds."""
        tree = drawn.to_plotly_json()
        return cls([plain(trace) for trace in tree["data"]], plain(tree["layout"]))

    @property
    def height(self) -> int:
        """In pixels."""
        return self.layout.get("height", 300)

    def add(self, kind: str, **props: Any) -> "Figure":
        """Add a trace."""
        self.data.append({"type": kind} | plain(props))
        return self

    add_bar = partialmethod(add, "bar")
    add_heatmap = partialmethod(add, "heatmap")
    add_scatter = partialmethod(add, "scatter")

    def add_hline(self, y: float, line: Props) -> "Figure":
        """A line from side to side."""
        return self._shape(x0=0, x1=1, xref="x domain", y0=y, y1=y, yref="y", line=line)

    def add_vline(self, x: float, line: Props) -> "Figure":
        """A line from top to bottom."""
        return self._shape(x0=x, x1=x, xref="x", y0=0, y1=1, yref="y domain", line=line)

    def add_annotation(self, **props: Any) -> "Figure":
        """A text at a point."""
        self.layout.setdefault("annotations", []).append(plain(props))
        return self

    def update_layout(self, **props: Any) -> "Figure":
        """Lay more over the layout."""
        _merge(self.layout, plain(props))
        return self

    def update_traces(self, selector: Callable[[Props], bool] = lambda trace: True, **props: Any) -> "Figure":
        """Lay more over the traces that a function selects, by default all."""
        for trace in filter(selector, self.data):
            _merge(trace, plain(props))
        return self

    def to_json(self) -> str:
        """As plotly.js takes it."""
        return json.dumps({"data": self.data, "layout": self.layout}, separators=(",", ":"))

    def _shape(self, **props: Any) -> "Figure":
        self.layout.setdefault("shapes", []).append({"type": "line"} | plain(props))
        return self

    def _axes(self, kind: str, **props: Any) -> "Figure":
        """Lay more over every axis across, or upwards."""
        props = plain(props)
        for name in [it for it in self.layout if it.startswith(kind)] or [kind]:
            _merge(self.layout.setdefault(name, {}), props)
        return self

    update_xaxes = partialmethod(_axes, "xaxis")
    update_yaxes = partialmethod(_axes, "yaxis")


def plain(value: Any) -> Any:
    """JSON-able values; what is None or empty in a mapping is left out, a number that is none becomes null."""
    if isinstance(value, Mapping):
        values = {str(name): plain(it) for name, it in value.items() if it is not None}
        return {name: it for name, it in values.items() if not (isinstance(it, dict) and not it)}
    if isinstance(value, pd.DataFrame | pd.Series | pd.Index):
        value = value.to_numpy()
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(it) for it in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def joined(lines: Sequence[Props]) -> Props:
    """Lines that look alike as one trace, with a gap between one and the next.

    plotly.js takes about as long for a trace as for a hundred points.

    Args:
        lines: Traces that differ in `x`, `y`, `customdata` and `text`. A `text` is that of all points.
    """
    whole = dict(lines[0])
    points: dict[str, list[Any]] = {name: [] for name in _OF_POINTS if name in whole}
    for line in lines:
        count = len(line["x"])
        for name, values in points.items():
            of_points = [line[name]] * count if isinstance(line[name], str) else line[name]
            values += [*([None] if values else []), *of_points]
    return whole | points


def _merge(under: Props, over: Props) -> None:
    for name, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(name), dict):
            _merge(under[name], value)
        else:
            under[name] = value
