"""Results: a Parquet file with what it was measured on, and a figure beside it."""

from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

FOLDER = Path(__file__).parents[1] / "results"


def save(name: str, table: pd.DataFrame, about: dict[str, Any], figure: go.Figure, folder: Path = FOLDER) -> None:
    """Write `<name>.parquet` and `<name>.html`.

    Args:
        name: Of the benchmark.
        table: What was measured, a row a measurement.
        about: Machine, data and settings; kept with the table.
        figure: Drawn from the table.
        folder: Where to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table.attrs = about
    table.to_parquet(folder / f"{name}.parquet", index=False)
    figure.update_layout(template="plotly_white")
    figure.write_html(folder / f"{name}.html", include_plotlyjs="directory")


def read(name: str, folder: Path = FOLDER) -> pd.DataFrame | None:
    """The table of a benchmark, with `attrs` as it was saved; None where it was not run."""
    path = folder / f"{name}.parquet"
    return pd.read_parquet(path) if path.is_file() else None


def bars(table: pd.DataFrame, column: str, title: str, unit: str) -> go.Figure:
    """A bar a contender: the median, with whiskers from the least to the largest."""
    by_name = table.groupby("name", sort=False)[column]
    middle, low, high = by_name.median(), by_name.min(), by_name.max()
    whiskers = {"type": "data", "symmetric": False, "array": high - middle, "arrayminus": middle - low}
    figure = go.Figure(go.Bar(x=middle, y=middle.index, orientation="h", error_x=whiskers))
    return figure.update_layout(title=title, xaxis_title=unit, yaxis={"autorange": "reversed"})
