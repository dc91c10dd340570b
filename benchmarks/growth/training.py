"""How time and memory of training grow with slots, tasks, examples and width.

Every point is a process of its own that trains with `fit` on one core, on made-up memory-mapped arrays; its anonymous
memory (RssAnon) is sampled while it trains. Points are visited in order, range after range, in every repeat.
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

import pandas as pd

from benchmarks.common import measuring
from benchmarks.common.measuring import Contender, Spent
from benchmarks.common.project import environment
from benchmarks.growth.point import Point, anonymous, make_data

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


def grown(repeats: int, quick: bool, only: str) -> pd.DataFrame:
    """Cost and most anonymous memory of all points whose range has this in its name, a row a turn."""
    with TemporaryDirectory() as scratch:
        points = [(name, point) for name, point in _points(quick) if only in name]
        contenders = [Contender(_title(*it), partial(measure, it[1], Path(scratch))) for it in points]
        table = measuring.take_turns(contenders, 1 if quick else repeats)
    places = {_title(name, point): (name, asdict(point)[name]) for name, point in points}
    table[["range", "at"]] = [places[name] for name in table["name"]]
    return table


def measure(point: Point, scratch: Path) -> Spent:
    """Train a point in a process of its own: cost of an epoch, and the most anonymous memory that training took."""
    make_data(point, scratch)
    words = [sys.executable, "-m", "benchmarks.growth.point", str(scratch), json.dumps(asdict(point))]
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
