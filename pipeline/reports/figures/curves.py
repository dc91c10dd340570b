"""Learning curves: the mean over seeds of every candidate, with the range from the lowest to the highest seed."""

import pandas as pd

from pipeline.analysis.metrics import TITLES
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import Panel, dash, marks, see_through, styled, text

_METRICS = {name: (f"{title}, %", 100.0) for name, title in TITLES.items()} | {
    "nll": ("negative log-likelihood", 1.0),
    "rmse": ("root mean squared error", 1.0),
}


def learning_curves(curves: pd.DataFrame) -> list[Panel]:
    """One panel a task and metric, on validation, or on train where nothing else is known."""
    split = "validation" if (curves["split"] == "validation").any() else "train"
    seen = curves[(curves["split"] == split) & curves["metric"].isin(_METRICS)]
    parts = dict(iter(seen.groupby(["task", "metric"])))
    return [
        Panel(f"{task}: {split} {metric}", _curves(parts[task, metric], metric))
        for task in seen["task"].drop_duplicates()
        for metric in _METRICS
        if (task, metric) in parts
    ]


def _curves(rows: pd.DataFrame, metric: str) -> Figure:
    label, scale = _METRICS[metric]
    figure, looks = Figure(), marks(rows["candidate"])
    for name, part in rows.groupby("candidate", sort=False):
        part = part.sort_values("updates")
        ink, at = looks[str(name)].colour, list(looks).index(str(name))
        figure.add_scatter(
            x=[*part["updates"], *part["updates"][::-1]],
            y=[*(scale * part["high"]), *(scale * part["low"])[::-1]],
            fill="toself",
            fillcolor=see_through(ink, 0.16),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        )
        figure.add_scatter(
            x=part["updates"],
            y=scale * part["mean"],
            customdata=part[["num_seeds", "kept"]],
            mode="lines+markers",
            line={"color": ink, "width": 2.2, "dash": dash(at)},
            marker={
                "size": [11 if kept else 4 for kept in part["kept"]],
                "color": ink,
                "symbol": looks[str(name)].symbol,
            },
            name=text(name),
            legendgroup=name,
            hovertemplate="%{x} updates: %{y:.4g}<br>%{customdata[0]} seeds, kept by %{customdata[1]}<extra></extra>",
        )
    return styled(figure, x="updates", y=label)
