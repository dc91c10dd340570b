"""What the tasks look at: heat maps of images, bars of columns and words, and how far tasks look at the same."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from plotly.subplots import make_subplots

from pipeline.reports.figures.figure import Figure, plain
from pipeline.reports.figures.style import BLUE, DIVERGING, MUTED, Panel, see_through, series, styled, text
from pipeline.studies.explain.answer import place_shares
from pipeline.studies.explain.answers import UNKNOWN
from pipeline.studies.explain.attributions import METHODS
from pipeline.studies.explain.explanation import Example, Explanation, Told
from pipeline.studies.explain.inputs import OFTEN

_MOST = 25
_SCALE = [[0, see_through(BLUE, 0.0)], [1, see_through(BLUE, 1.0)]]
_SIGNED = [list(it) for it in DIVERGING]
_MARKED = 0.2  # of the strongest: a pixel that speaks as much against the answer has a minus
_SIDE = 200  # of a map, about, in pixels of the screen
_GREYS = [[0, see_through("#808080", 0.0)], [1, see_through("#808080", 1.0)]]


def importance_panels(found: Explanation) -> list[Panel]:
    """Of each task a heat map a method, or bars of both methods over the columns."""
    panels = []
    for task, rows in found.importance.groupby("task", sort=False):
        if (shape := found.shapes[str(task)]) is None:
            panels.append(_columns(str(task), rows))
            continue
        for method, part in rows.groupby("method", sort=False):
            pixels = part["share"].to_numpy().reshape(shape)
            said = _where(pixels)
            places = ", ".join(f"{place} {100 * share:.0f} %" for place, share in place_shares(pixels).items())
            caption = f"{task}: {METHODS[str(method)]}"
            alt = f"An image of {shape[0]} by {shape[1]} pixels. {said} By ninths of the image: {places}."
            panels.append(Panel(caption, _map(pixels), said, alt=alt))
    return panels


def _columns(task: str, rows: pd.DataFrame) -> Panel:
    """Bars of both methods with their intervals, and what the network of another seed has in their place."""
    shares, another = (_by_method(rows, "input", it) for it in ("share", "another_seed"))
    figure = _bars(100 * shares, "share of all that counts, percent", "%{y}: %{x:.1f} %")
    most = shares.index[:_MOST]
    for number, method in enumerate(shares):
        own = rows[rows["method"] == method].set_index("input").loc[most]
        up, down = 100 * (own["high"] - own["share"]), 100 * (own["share"] - own["low"])
        bars = {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1.5, "width": 4}
        bars["color"] = MUTED
        figure.data[number]["error_x"] = plain(bars)
    if len(another):
        figure.add_scatter(
            y=[text(name) for name in most],
            x=100 * another.mean(axis=1).reindex(most),
            mode="markers",
            name="another seed, mean of both",
            marker={"symbol": "diamond-open", "size": 11, "color": series(2), "line": {"width": 2}},
            hovertemplate="%{y}: %{x:.1f} %<extra>%{fullData.name}</extra>",
        )
    told = [_told(str(name), rows[rows["input"] == name]) for name in most]
    return Panel(task, figure, _omitted(len(shares), "columns"), alt=f"Shares of all that counts: {'; '.join(told)}.")


def _told(name: str, rows: pd.DataFrame) -> str:
    """`area: integrated gradients 54.1 % [50.2, 57.3], occlusion 49.0 % [45.1, 52.2], another seed 51.3 %`."""
    said = [
        f"{METHODS[row['method']]} {100 * row['share']:.1f} %"
        + (f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" if row["low"] == row["low"] else "")
        for row in rows.to_dict("records")
    ]
    again = rows["another_seed"].mean()
    return f"{name}: {', '.join(said)}" + (f", another seed {100 * again:.1f} %" if again == again else "")


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


def example_panels(examples: Iterable[Example]) -> list[Panel]:
    """Each image beside each task's map of it, with what is true and what is predicted."""
    images = [it for it in examples if it.image is not None]
    numbers = [[other.source for other in images[:place]].count(it.source) for place, it in enumerate(images)]
    return [
        Panel(
            f"{it.source}, image {number + 1} of validation",
            _side_by_side(it),
            " ".join(_answered(task, told) for task, told in it.told.items()),
            alt=f"The image, and for each task what speaks for and against its answer. {_seen(it)}",
        )
        for number, it in zip(numbers, images, strict=True)
    ]


def _answered(task: str, told: Told) -> str:
    return f"{task}: predicted {told.predicted}, true {told.truth}{', wrong' if told.wrong else ''}."


def _seen(example: Example) -> str:
    """Each task's answer, and where what counts for it lies."""
    said = []
    for task, pixels in example.maps.items():
        (place, share), *_ = place_shares(np.abs(pixels)).items()
        against = np.abs(pixels[pixels < 0]).sum() / (np.abs(pixels).sum() or 1.0)
        told = f"{_answered(task, example.told[task])} " if task in example.told else f"{task}: "
        said.append(
            f"{told}Most of what counts lies in the {place} of the image ({100 * share:.0f} %); "
            f"{100 * against:.0f} % of it speaks against the answer."
        )
    return " ".join(said)


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


def _heat(pixels: np.ndarray, colours: list, lowest: int = 0) -> dict[str, Any]:
    form = "%{z:+.2f}" if lowest else "%{z:.2f}"
    return {
        "z": np.round(pixels / (np.abs(pixels).max() or 1.0), 3), "colorscale": colours, "zmin": lowest, "zmax": 1,
        "showscale": False, "hovertemplate": f"row %{{y}}, column %{{x}}: {form} of the most<extra></extra>",
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
    titles = ["the image", *(f"{text(task)}{_right(example.told.get(task))}" for task in example.maps)]
    rows = -(-len(titles) // 2)  # two side by side, which a phone has room for
    gaps = {"horizontal_spacing": 0.04, "vertical_spacing": 0.12 / rows}
    figure = Figure.of(make_subplots(rows, 2, subplot_titles=titles, **gaps))
    assert example.image is not None
    figure.add_heatmap(**_heat(example.image - example.image.min(), _GREYS), xaxis="x", yaxis="y")
    size = min(max(_SIDE // max(example.image.shape), 5), 14)  # no larger than a pixel, but to be seen
    for column, pixels in enumerate(example.maps.values(), start=2):
        axes = {"xaxis": f"x{column}", "yaxis": f"y{column}"}
        figure.add_heatmap(**_heat(pixels, _SIGNED, lowest=-1), **axes)
        down, across = np.nonzero(pixels < -_MARKED * np.abs(pixels).max())
        figure.add_scatter(
            x=across,
            y=down,
            mode="text",
            text=["−"] * len(down),
            textfont={"size": size},
            hoverinfo="skip",
            showlegend=False,
            **axes,
        )
    _square(styled(figure, 30 + 220 * rows, legend=False))
    return figure.update_layout(margin={"t": 28})


def _right(told: Told | None) -> str:
    """A sign that the prediction is right or wrong."""
    return "" if told is None or told.truth == UNKNOWN else " ✗" if told.wrong else " ✓"


def _matrix(rows: pd.DataFrame) -> Figure:
    names = list(dict.fromkeys([*rows["task"], *rows["against"]]))
    cells = pd.DataFrame(np.nan, names, names)
    for row in rows.to_dict("records"):
        cells.loc[row["against"], row["task"]] = row["means"]
        cells.loc[row["task"], row["against"]] = row["means"]
    shown = [[f"{value:.2f}" if value == value else "" for value in row] for row in cells.to_numpy()]
    figure = Figure().add_heatmap(
            z=cells.to_numpy(), x=[text(it) for it in names], y=[text(it) for it in names], zmin=-1, zmax=1,
            colorscale=_SIGNED,
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
