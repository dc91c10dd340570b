"""What the tasks look at: heat maps of images, bars of columns and words, and how far tasks look at the same."""

from typing import Any

import numpy as np
import pandas as pd
from plotly.subplots import make_subplots

from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import BLUE, MUTED, Panel, see_through, series, styled, text
from pipeline.studies.explain.attributions import METHODS
from pipeline.studies.explain.explanation import Example, Explanation
from pipeline.studies.explain.inputs import OFTEN

_MOST = 25
_SCALE = [[0, see_through(BLUE, 0.0)], [1, see_through(BLUE, 1.0)]]
_GREYS = [[0, see_through("#808080", 0.0)], [1, see_through("#808080", 1.0)]]


def importance_panels(found: Explanation) -> list[Panel]:
    """Of each task a heat map a method, or bars of both methods over the columns."""
    panels = []
    for task, rows in found.importance.groupby("task", sort=False):
        if (shape := found.shapes[str(task)]) is None:
            shares = 100 * _by_method(rows, "input", "share")
            figure = _bars(shares, "share of all that counts, percent", "%{y}: %{x:.1f} %")
            panels.append(Panel(str(task), figure, _omitted(len(shares), "columns")))
            continue
        for method, part in rows.groupby("method", sort=False):
            pixels = part["share"].to_numpy().reshape(shape)
            panels.append(Panel(f"{task}: {METHODS[str(method)]}", _map(pixels), _where(pixels)))
    return panels


def word_panels(words: pd.DataFrame) -> list[Panel]:
    """Of each task that reads text bars of both methods over the words."""
    panels = []
    for task, rows in words.groupby("task", sort=False):
        strengths = _by_method(rows.assign(shown=rows["word"] + rows["times"].map(" ({})".format)), "shown", "strength")
        figure = _bars(
            strengths, "how much an occurrence counts; the mean token counts 1", "%{y}: %{x:.1f} times the mean token"
        )
        rare = f"In brackets how often a word occurs, which is {OFTEN} times at least."
        panels.append(Panel(f"{task}: words", figure, f"{rare} {_omitted(len(strengths), 'words')}".strip()))
    return panels


def example_panels(examples: list[Example]) -> list[Panel]:
    """Each image beside each task's map of it."""
    images = [it for it in examples if it.image is not None]
    return [Panel(f"{it.source}, an image of validation", _side_by_side(it), wide=len(it.maps) > 1) for it in images]


def sharing_panels(sharing: pd.DataFrame) -> list[Panel]:
    """A matrix a method: how far every two tasks look at the same inputs."""
    return [
        Panel(f"by {METHODS[str(method)]}", _matrix(rows), _beside(rows))
        for method, rows in sharing.groupby("method", sort=False)
    ]


def _by_method(rows: pd.DataFrame, name: str, value: str) -> pd.DataFrame:
    """Values by name and method, those that count most first."""
    found = rows.pivot_table(index=name, columns="method", values=value, sort=False)
    return found.loc[found.mean(axis=1).sort_values(ascending=False, kind="stable").index]


def _bars(values: pd.DataFrame, x: str, hover: str) -> Figure:
    """Each method's values of the names that count most."""
    most, figure = values[:_MOST], Figure()
    for index, method in enumerate(most):
        figure.add_bar(
            y=[text(name) for name in most.index],
            x=most[method],
            name=METHODS[str(method)],
            orientation="h",
            marker={"color": series(index)},
            hovertemplate=f"{hover}<extra>%{{fullData.name}}</extra>",
        )
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return styled(figure, 110 + 30 * len(most), x)


def _omitted(count: int, what: str) -> str:
    return f"{count - _MOST} {what} that count less are not shown." if count > _MOST else ""


def _map(pixels: np.ndarray) -> Figure:
    figure = Figure().add_heatmap(**_heat(pixels, _SCALE))
    return _square(styled(figure, 300, legend=False))


def _heat(pixels: np.ndarray, colours: list) -> dict[str, Any]:
    return {
        "z": np.round(pixels / (pixels.max() or 1.0), 3), "colorscale": colours, "zmin": 0, "zmax": 1,
        "showscale": False, "hovertemplate": "row %{y}, column %{x}: %{z:.2f} of the most<extra></extra>",
    }  # fmt: skip


def _square(figure: Figure) -> Figure:
    """Pixels as high as wide, the first row on top, no axes."""
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, autorange="reversed", constrain="domain")
    for name in [it for it in figure.layout if it.startswith("yaxis")]:
        figure.layout[name]["scaleanchor"] = name.replace("yaxis", "x")
    return figure


def _where(pixels: np.ndarray) -> str:
    """How few pixels carry half of all that counts, in words."""
    falling = np.sort(pixels.ravel())[::-1].cumsum()
    half = int(np.searchsorted(falling, falling[-1] / 2)) + 1
    return f"Half of all that counts lies on {100 * half / pixels.size:.0f} % of the pixels."


def _side_by_side(example: Example) -> Figure:
    titles = ["the image", *(text(task) for task in example.maps)]
    figure = Figure.of(make_subplots(1, len(titles), subplot_titles=titles, horizontal_spacing=0.02))
    assert example.image is not None
    figure.add_heatmap(**_heat(example.image - example.image.min(), _GREYS), xaxis="x", yaxis="y")
    for column, pixels in enumerate(example.maps.values(), start=2):
        figure.add_heatmap(**_heat(pixels, _SCALE), xaxis=f"x{column}", yaxis=f"y{column}")
    _square(styled(figure, 260, legend=False))
    return figure.update_layout(margin={"t": 28})


def _matrix(rows: pd.DataFrame) -> Figure:
    names = list(dict.fromkeys([*rows["task"], *rows["against"]]))
    cells = pd.DataFrame(np.nan, names, names)
    for row in rows.to_dict("records"):
        cells.loc[row["against"], row["task"]] = row["means"]
        cells.loc[row["task"], row["against"]] = row["means"]
    shown = [[f"{value:.2f}" if value == value else "" for value in row] for row in cells.to_numpy()]
    figure = Figure().add_heatmap(
            z=cells.to_numpy(), x=[text(it) for it in names], y=[text(it) for it in names], zmin=-1, zmax=1,
            colorscale=[[0, see_through("#d4593f", 0.85)], [0.5, see_through(BLUE, 0.0)], [1, see_through(BLUE, 0.85)]],
            text=shown, texttemplate="%{text}", xgap=1, ygap=1, showscale=False, hoverongaps=False,
            hovertemplate="%{x} and %{y}: %{z:.2f}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(type="category").update_yaxes(type="category", autorange="reversed")
    styled(figure, min(140 + 40 * len(names), 640), legend=False)
    return figure.update_xaxes(showgrid=False, tickcolor=MUTED).update_yaxes(showgrid=False)


def _beside(rows: pd.DataFrame) -> str:
    mean, alone = rows["means"].mean(), rows["randomised"].mean()
    if alone != alone:
        return f"Mean {mean:.2f}."
    return f"Mean {mean:.2f}; {alone:.2f} with randomised weights, which is what the inputs alone bring about."
