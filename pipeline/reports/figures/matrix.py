"""A matrix of names by names, drawn as coloured cells with their numbers."""

from collections.abc import Sequence

import pandas as pd

from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import styled, text

_MOST_NAMES = 20  # more are drawn without numbers in the cells

Colours = Sequence[tuple[float, str]]
"""From the share of the way from the lowest value to the highest to a colour."""


def matrix(
    values: pd.DataFrame, said: str, span: tuple[float, float], colours: Colours, shown: str = ".2f", across: str = ""
) -> Figure:
    """The cells; empty where a value is NaN.

    Args:
        values: Rows are drawn from above.
        said: Shown of a cell, with `%{y}`, `%{x}` and `%{z}`.
        span: The values with the first and the last colour.
        colours: Of the values.
        shown: Format of the number in a cell.
        across: Title of the columns.
    """
    numbers = [[f"{value:{shown}}" if value == value else "" for value in row] for row in values.to_numpy()]
    figure = add_cells(Figure(), values, span, colours, numbers, said)
    figure.update_xaxes(type="category", title={"text": across})
    figure.update_yaxes(type="category", autorange="reversed")
    styled(figure, height=110 + 36 * len(values), legend=False)
    return figure.update_xaxes(showgrid=False).update_yaxes(showgrid=False)


def add_cells(
    figure: Figure,
    values: pd.DataFrame,
    span: tuple[float, float],
    colours: Colours,
    numbers: list[list[str]],
    said: str,
) -> Figure:
    """Add coloured cells with their numbers, where they are not too many to be read; for arguments see `matrix`."""
    return figure.add_heatmap(
        z=values.to_numpy(),
        x=[text(name) for name in values.columns],
        y=[text(name) for name in values.index],
        zmin=span[0],
        zmax=span[1],
        colorscale=[list(it) for it in colours],
        showscale=False,
        xgap=1,
        ygap=1,
        **({"text": numbers, "texttemplate": "%{text}"} if len(values.columns) <= _MOST_NAMES else {}),
        hovertemplate=f"{said}<extra></extra>",
        hoverongaps=False,
    )
