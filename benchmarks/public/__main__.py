"""Run public data under several recipes, append a row a job, and hold the answers against what is asked.

    python -m pip install -c requirements.txt -e .[public]
    python -m benchmarks.public [--hours H] [--table NAME]... [--recipe NAME]...

It goes on where it stopped: jobs that have a row are not run again. What is asked is judged of the jobs that have one;
it exits with 1 where something does not hold.
"""

import sys
import time
from pathlib import Path
from typing import Any

import click
import pandas as pd

from benchmarks.common import records
from benchmarks.public.judged import FAILED, answers, checks, claims
from benchmarks.public.recipes import RECIPES, planned
from benchmarks.public.tables import missing, publics
from pipeline.errors import Failure, UserError

RECORD = Path(__file__).parents[1] / "records" / "public" / "jobs.csv"
COLUMNS = (
    "table", "recipe", "seed", "rows", "updates", "trials", "decision", "delta_m", "low", "high", "se", "unfinished",
    "tasks", "networks", "references", "cpu_s",
)  # fmt: skip
_SHOWN = ("table", "recipe", "seed", "decision", "delta_m", "cpu_s")


@click.command()
@click.option("--hours", default=12.0, show_default=True, help="After which no further job is begun.")
@click.option("--table", "names", multiple=True, help="Only these data.")
@click.option("--recipe", "recipes", multiple=True, type=click.Choice(list(RECIPES)), help="Only these.")
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), default=RECORD, show_default="beside this")
def main(hours: float, names: tuple[str, ...], recipes: tuple[str, ...], record: Path) -> None:
    """Run what has no row yet, and judge."""
    record.parent.mkdir(parents=True, exist_ok=True)
    if hours and (line := missing()):
        raise click.ClickException(line)
    _run(record, names, recipes, time.monotonic() + 3600 * hours)
    jobs = pd.read_csv(record)
    for shown in (answers(jobs), claims(jobs).rename("claims").to_frame().T):
        click.echo(shown.to_string() + "\n")
    hold = records.judged(checks(jobs))
    click.echo(f"{jobs['cpu_s'].sum() / 3600:.1f} CPU hours")
    sys.exit(0 if hold else 1)


def _run(record: Path, names: tuple[str, ...], recipes: tuple[str, ...], until: float) -> None:
    if time.monotonic() >= until:
        return
    from benchmarks.public.job import answered
    from pipeline.training.numerics import settle

    settle()
    every = publics()
    done = records.known(record, ("table", "recipe", "seed"))
    for name, recipe, seed in planned(list(every)):
        asked = (not names or name in names) and (not recipes or recipe in recipes)
        if asked and (name, recipe, seed) not in done and time.monotonic() < until:
            about = {"table": name, "recipe": recipe, "seed": seed}
            try:
                found = answered(every[name], RECIPES[recipe], seed)
            except (UserError, Failure) as error:
                found = {"decision": FAILED, "tasks": str(error)}
            _append(record, about | found)


def _append(record: Path, row: dict[str, Any]) -> None:
    records.append(record, COLUMNS, row)
    shown = [f"{row.get(name):+.2f}" if name == "delta_m" else str(row.get(name)) for name in _SHOWN if name in row]
    click.echo(", ".join(shown))


if __name__ == "__main__":
    main()
