"""How time and memory grow with slots, tasks, examples and width, and the exponents fitted to the upper half.

Every point is a process of its own that trains with `fit` on one core, on made-up memory-mapped arrays; its anonymous
memory (RssAnon) is sampled while it trains. Points are visited in order, range after range, in every repeat.

    python -m benchmarks.growth
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import pandas as pd
import plotly.express as px

from benchmarks.common import machine, measuring, results
from benchmarks.common.measuring import Contender, Spent
from benchmarks.common.options import shared
from benchmarks.common.project import environment
from benchmarks.growth_point import Point, anonymous, make_data

_SAMPLED_EVERY_S = 0.02
_BASE = Point(slots=8, tasks=2, examples=6_000, width=128, features=784)
_RANGES: dict[str, Sequence[int]] = {
    "slots": (1, 2, 4, 8, 16, 32, 64, 128, 256),
    "tasks": (2, 4, 8, 16, 32, 64, 128, 256),
    "examples": (6_000, 20_000, 60_000, 200_000, 600_000, 2_000_000, 6_000_000),
    "width": (64, 128, 256, 512, 1024, 2048),
}
_NARROW = Point(slots=1, tasks=2, examples=6_000, width=64, features=64)
"""Where examples grow: 6,000,000 rows of 64 bytes are 384 MB on disk."""


@click.command()
@shared(repeats=3)
@click.option("--only", default="", help="Only ranges whose names contain this.")
def main(data: Path | None, repeats: int, quick: bool, folder: Path, only: str) -> None:
    """Measure all points and fit."""
    del data  # always made up here
    about = {"machine": machine.describe(), "data": "made-up bytes"}
    with TemporaryDirectory() as scratch:
        points = [(name, point) for name, point in _points(quick) if only in name]
        contenders = [Contender(_title(*it), partial(measure, it[1], Path(scratch))) for it in points]
        table = measuring.take_turns(contenders, 1 if quick else repeats)
    places = {_title(name, point): (name, asdict(point)[name]) for name, point in points}
    table[["range", "at"]] = [places[name] for name in table["name"]]
    exponents = {name: fitted(part) for name, part in table.groupby("range", sort=False)}
    click.echo(pd.DataFrame(exponents).T.round(3).to_string())
    figure = px.line(table, x="at", y=["cpu_seconds", "memory_mib"], facet_col="range", log_x=True, log_y=True)
    figure.update_xaxes(matches=None)
    results.save("growth", table, about | {"exponents": exponents}, figure, folder)


def fitted(table: pd.DataFrame) -> dict[str, float]:
    """Exponents of processor time and memory over the upper half of a range (of its logarithm); both ends of memory."""
    medians = table.groupby("at")[["cpu_seconds", "memory_mib"]].median()
    upper = medians[medians.index >= np.sqrt(medians.index.min() * medians.index.max())]
    slopes = {
        column: float(np.polyfit(np.log(upper.index), np.log(upper[column]), 1)[0]) if len(upper) > 1 else float("nan")
        for column in upper
    }
    ends = {"memory_first_mib": medians["memory_mib"].iloc[0], "memory_last_mib": medians["memory_mib"].iloc[-1]}
    return {"time": slopes["cpu_seconds"], "memory": slopes["memory_mib"], **ends}


def measure(point: Point, scratch: Path) -> Spent:
    """Train a point in a process of its own: cost of an epoch, and the most anonymous memory that training took."""
    make_data(point, scratch)
    words = [sys.executable, "-m", "benchmarks.growth_point", str(scratch), json.dumps(asdict(point))]
    process = subprocess.Popen(words, env=environment(), text=True, stdout=subprocess.PIPE)
    peak = 0
    while process.poll() is None:
        peak = max(peak, anonymous(process.pid))
        time.sleep(_SAMPLED_EVERY_S)
    assert process.stdout is not None
    if process.returncode:
        raise RuntimeError(f"{point} failed")
    told: dict[str, Any] = json.loads(process.stdout.read().strip().splitlines()[-1])
    return Spent(told["seconds"], told["cpu_seconds"], {"memory_mib": (peak - told["before"]) / 2**20})


def _points(quick: bool) -> Iterator[tuple[str, Point]]:
    for name, values in _RANGES.items():
        base = _NARROW if name == "examples" else _BASE
        if quick:
            base, values = replace(base, examples=640, features=64, width=64), values[:2]
        for value in values:
            yield name, replace(base, **{name: value})


def _title(name: str, point: Point) -> str:
    return f"{name} {asdict(point)[name]:,}"


if __name__ == "__main__":
    main()
