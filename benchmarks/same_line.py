"""Whether the first line says the same of a small table whatever the seed: `headway init` and `headway run`, ten times.

    python -m pip install -c requirements.txt -e .[public]
    python -m benchmarks.same_line [--hours H] [--processes N] [--table NAME]... [--record FILE]

Ten public tables below 5,000 rows: penguins, and nine that a fixed seed draws. It goes on where it stopped: what has a
row is not run again. It exits with 1 where helps stands against hurts, too few pairs of seeds agree, or a row lacks.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import pandas as pd

from benchmarks.common import machine, records
from benchmarks.common.project import run
from benchmarks.public.drawn import drawn
from benchmarks.public.tables import missing, publics
from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.evaluation import Evaluation

RECORD = Path(__file__).parent / "records" / "public" / "seeds.csv"
COLUMNS = ("table", "seed", "rows", "decision", "delta_m", "low", "high", "cpu_s")
SEEDS = 10
DRAW, DRAWN, ROWS = 22, 9, (150, 4_999)
AGREE = 0.8
"""Share of the pairs of seeds that have to say the same."""

_NAME = "made"
_SETTINGS: Mapping[str, Any] = {"baselines.reference": False, "processes": 1}


@dataclass(frozen=True)
class Table:
    """A public table.

    Attributes:
        name: Of it.
        frame: The table.
        targets: As `headway init --targets` takes them.
    """

    name: str
    frame: pd.DataFrame
    targets: str


def tables() -> Iterator[Table]:
    """All ten; penguins alone where the package of the others is not installed."""
    penguins = publics()["penguins"]
    assert penguins.frame
    yield Table("penguins", penguins.frame(), penguins.asked)
    for it in drawn(DRAW, DRAWN, ROWS):
        yield Table(it.name, it.frame(), ",".join(f"{column}:{kind}" for column, kind in it.targets.items()))


def said(table: Table, seed: int) -> dict[str, Any]:
    """What the first line says of a table under a seed, and what it took.

    Raises:
        RuntimeError: A command failed.
    """
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "MLproject").touch()
        table.frame.to_csv(folder / f"{_NAME}.csv", index=False)
        headway = [sys.executable, "-m", "pipeline"]
        drafting = run([*headway, "init", f"{_NAME}.csv", "--targets", table.targets], folder)
        values = {**_SETTINGS, "seed": seed}.items()
        words = (word for key, value in values for word in ("--set", f"{key}={json.dumps(value)}"))
        running = run([*headway, "run", _NAME, *words], folder)
        (decision,) = (folder / ".headway" / "outputs").glob("*/decision.json")
        (evaluated,) = (folder / ".headway" / "outputs").glob("*/delta_m.csv")
        found = json.loads(decision.read_text(encoding="utf-8"))["decision"]
        delta = Evaluation.load(evaluated.parent).delta_m
        # Where a study was run the tuned network is what is compared, and comes last.
        *_, row = delta[(delta["against"] == SINGLE)].to_dict("records")
    numbers = {"delta_m": row["mean"], "low": row["low"], "high": row["high"]}
    return {
        "table": table.name,
        "seed": seed,
        "rows": len(table.frame),
        "decision": found,
        **{name: round(value, 4) for name, value in numbers.items()},
        "cpu_s": round(drafting.cpu_seconds + running.cpu_seconds, 1),
    }


def checks(rows: pd.DataFrame, asked: int) -> Iterator[tuple[str, bool]]:
    """What is asked, in words with what was found, and whether it holds.

    Args:
        rows: table, seed, decision.
        asked: How many rows there should be.
    """
    yield f"{len(rows)} of {asked} rows are there", len(rows) == asked
    words = {name: list(own["decision"]) for name, own in rows.groupby("table", sort=False)}
    turned = [name for name, its in words.items() if {"helps", "hurts"} <= set(its)]
    yield f"of {len(words)} tables helps stands against hurts in {len(turned)} (none) {', '.join(turned)}", not turned
    pairs = [one == other for its in words.values() for one, other in combinations(its, 2)]
    yield f"{sum(pairs)} of {len(pairs)} pairs of seeds agree (at least 80 %)", sum(pairs) >= AGREE * len(pairs)


@click.command()
@click.option("--hours", default=12.0, show_default=True, help="After which no further run is begun.")
@click.option("--processes", default=machine.cores(), show_default="one a core", help="Runs at a time.")
@click.option("--table", "names", multiple=True, help="Only these tables.")
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), default=RECORD, show_default="beside this")
def main(hours: float, processes: int, names: tuple[str, ...], record: Path) -> None:
    """Run what has no row yet, and judge."""
    if line := missing():
        raise click.ClickException(line)
    record.parent.mkdir(parents=True, exist_ok=True)
    done, until = records.known(record, ("table", "seed")), time.monotonic() + 3600 * hours
    every = [it for it in tables() if not names or it.name in names]
    left = [(table, seed) for seed in range(SEEDS) for table in every if (table.name, seed) not in done]
    with ThreadPoolExecutor(processes) as pool:
        for row in pool.map(partial(_said, until=until), left):
            if row:
                records.append(record, COLUMNS, row)
                click.echo(", ".join(str(row[name]) for name in COLUMNS))
    rows = pd.read_csv(record)
    click.echo(rows.pivot_table("decision", "table", "seed", aggfunc="first", sort=False).to_string())
    hold = records.judged(checks(rows, SEEDS * (1 + DRAWN)))
    click.echo(f"{rows['cpu_s'].sum() / 3600:.1f} CPU hours")
    sys.exit(0 if hold else 1)


def _said(job: tuple[Table, int], until: float) -> dict[str, Any] | None:
    """The row of a job; none where time is over, or it failed, which is said."""
    if time.monotonic() >= until:
        return None
    try:
        return said(*job)
    except RuntimeError as error:
        click.echo(f"{job[0].name}, seed {job[1]}, has no row: {error}", err=True)
        return None


if __name__ == "__main__":
    main()
