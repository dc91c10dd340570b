"""Time and cost: what an answer costs, and where the time of the pipeline went."""

from typing import Any

import pandas as pd

from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import BLUE, FAINT, Panel, marks, styled, text

_COSTS = {
    "parameters": ("Parameters", "%{x:,}", "trained values, all networks"),
    "latency_ms": ("Latency of one row", "%{x:.3f} ms", "milliseconds"),
    "rows_per_second": ("Throughput in batches of 256", "%{x:,.0f}", "rows a second"),
}

_MOST_STEPS = 30


def cost_bars(costs: pd.DataFrame) -> list[Panel]:
    """Parameters, latency and throughput of each candidate answering all tasks."""
    return [Panel(title, _bars(costs, column, form, unit)) for column, (title, form, unit) in _COSTS.items()]


def _bars(costs: pd.DataFrame, column: str, form: str, unit: str) -> Figure:
    colours = [it.colour for it in marks(costs["candidate"]).values()]
    return _listed(costs[column], costs["candidate"], colours, form, form, 80 + 34 * len(costs), unit)


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
