"""Time and cost: what an answer costs, and where the time of the pipeline went."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from pipeline.analysis.measured import Measured
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import BLUE, FAINT, MUTED, Panel, marks, styled, text


def _three_digits(value: float) -> str:
    """No time is known better.

    >>> _three_digits(0.14349), _three_digits(4119265.6)
    ('0.143', '4,120,000')
    """
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


_COSTS: Mapping[str, tuple[str, Callable[[float], str], str]] = {
    "parameters": ("Parameters", "{:,.0f}".format, "trained values, all networks"),
    "latency_ms": ("Latency of one row", _three_digits, "milliseconds"),
    "rows_per_second": ("Throughput in batches of 256", _three_digits, "rows a second"),
}
_ENDS = {
    "latency_ms": ("latency_low_ms", "latency_high_ms"),
    "rows_per_second": ("rows_per_second_low", "rows_per_second_high"),
}
_READ = (
    "CPU time: medians of repeats that took turns, with their middle four fifths. Where these overlap, no difference "
    "was measured. Networks of the same shapes are measured once."
)

_MOST_STEPS = 30


def latency(costs: pd.DataFrame, candidate: str) -> Measured:
    """Milliseconds that a candidate takes to answer a row."""
    row = costs.set_index("candidate").loc[candidate]
    return Measured(row["latency_ms"], row["latency_low_ms"], row["latency_high_ms"])


def cost_bars(costs: pd.DataFrame) -> list[Panel]:
    """Parameters, latency and throughput of each candidate answering all tasks; times with their spread."""
    return [_bars(costs, column, *about) for column, about in _COSTS.items()]


def _bars(costs: pd.DataFrame, column: str, title: str, form: Callable[[float], str], unit: str) -> Panel:
    names, values = costs["candidate"], costs[column]
    shown, more = [form(it) for it in values], dict[str, Any]()
    said = shown
    if (ends := _ENDS.get(column)) is not None:
        low, high = (costs[end] for end in ends)
        said = [f"{it} ({form(down)} to {form(up)})" for it, down, up in zip(shown, low, high, strict=True)]
        bars = {"array": high - values, "arrayminus": values - low, "color": MUTED, "thickness": 1.5, "width": 4}
        more = {"error_x": {"type": "data", "symmetric": False, **bars}}
    colours = [it.colour for it in marks(names).values()]
    own = {"text": shown, "customdata": said} | more
    figure = _listed(values, names, colours, "%{text}", "%{customdata}", 80 + 34 * len(costs), unit, **own)
    alt = ", ".join(f"{name} {it}" for name, it in zip(names, said, strict=True))
    return Panel(title, figure, _READ if column == "latency_ms" else "", alt=f"{unit}: {alt}.")


def _listed(
    values: pd.Series, names: pd.Series, colours: list[str], form: str, said: str, height: int, unit: str, **more: Any
) -> Figure:
    """A bar with its number on a line of its own for each name, the first above."""
    figure = Figure().add_bar(
        x=values,
        y=[text(name) for name in names],
        orientation="h",
        marker={"color": colours},
        texttemplate=form,
        textposition="auto",
        insidetextanchor="start",
        hovertemplate=said + "<extra>%{y}</extra>",
        **more,
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return styled(figure, height, unit, legend=False)


def step_times(steps: pd.DataFrame) -> list[Panel]:
    """Seconds of each step; those answered from an earlier run are pale, with the time they took then."""
    if steps.empty:
        return []
    slowest = steps.loc[steps["seconds"].nlargest(_MOST_STEPS).index.sort_values()]
    more = f" The {_MOST_STEPS} slowest of {len(steps)} steps are shown." if len(steps) > len(slowest) > 0 else ""
    steps = slowest if more else steps
    colours = [FAINT if cached else BLUE for cached in steps["cached"]]
    when = ["answered by an earlier run" if cached else "ran now" for cached in steps["cached"]]
    form, height = "%{x:.1f} s", 80 + 30 * len(steps)
    said = f"{form}, %{{customdata}}"
    figure = _listed(steps["seconds"], steps["step"], colours, form, said, height, "seconds", customdata=when)
    sentence = "Pale bars were answered by an earlier run." if steps["cached"].any() else ""
    return [Panel("Seconds by step", figure, f"{sentence}{more}".strip(), wide=True)]
