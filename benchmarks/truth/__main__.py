"""Run jobs whose truth is known, append a row a job, and hold the answers against what is asked.

    python -m benchmarks.truth [--part truths|jobs|folds|compared|told] [--hours H] [--processes N]

It goes on where it stopped: jobs that have a row are not run again. Then it prints the table, and exits with 1 where
something that is asked does not hold, or a job has no row.
"""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import pandas as pd

from benchmarks.common import machine, records
from benchmarks.truth.families import FAMILIES, Family
from benchmarks.truth.judged import checks, table
from benchmarks.truth.part import PARTS, row
from pipeline.errors import Failure, UserError

RECORD = Path(__file__).parents[1] / "records" / "truth"


@click.command()
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="By default all.")
@click.option("--hours", default=12.0, show_default=True, help="After which no further job is begun.")
@click.option("--processes", default=machine.cores(), show_default="one a core", help="Jobs at a time.")
@click.option("--family", "names", multiple=True, help="Those whose names begin so; by default all.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=RECORD,
              show_default="beside this", help="Where the rows are.")  # fmt: skip
def main(parts: tuple[str, ...], hours: float, processes: int, names: tuple[str, ...], folder: Path) -> None:
    """Run what has no row yet, and judge."""
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 3600 * hours
    for part in parts or PARTS:
        _run(part, folder / f"{part}.csv", names, until, processes)
    found = {part: pd.read_csv(folder / f"{part}.csv") for part in PARTS if (folder / f"{part}.csv").exists()}
    if not {"truths", "jobs"} <= found.keys():
        return
    for part in ("jobs", "folds"):
        if part in found:
            click.echo(f"{part}:\n{table(found[part], found['truths']).round(2).to_string(index=False)}\n")
    hold = records.judged(checks(found))
    click.echo(f"{sum(it['cpu_s'].sum() for it in found.values()) / 3600:.1f} CPU hours")
    sys.exit(0 if hold else 1)


def _run(part: str, file: Path, names: tuple[str, ...], until: float, processes: int) -> None:
    waiting = _left(part, file, names)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running: set[Future[dict[str, Any]]] = set()
        while True:
            while len(running) < processes and time.monotonic() < until and (job := next(waiting, None)):
                running.add(pool.submit(row, part, *job))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for it in done:
                try:
                    _append(file, ("family", "rows", "number", *PARTS[part].columns), it.result())
                except (UserError, Failure) as error:
                    click.echo(f"a job of {part} has no row: {error}", err=True)


def _left(part: str, file: Path, names: tuple[str, ...]) -> Iterator[tuple[Family, int]]:
    """What has no row yet: a turn of every family at a time, so that a part of it tells something of all."""
    done = records.known(file, ("family", "rows", "number"))
    families = [it for it in FAMILIES if not names or it.title.startswith(names)]
    counts = {it.title: PARTS[part].count(it) for it in families}
    for turn in range(max(counts.values(), default=0)):
        for family in families:
            if turn < counts[family.title] and (family.name, family.rows, turn) not in done:
                yield family, turn


def _append(file: Path, columns: tuple[str, ...], found: dict[str, Any]) -> None:
    records.append(file, columns, found)
    said = f"{found['family']} {found['rows']}: {found.get('decision', '')} {found['delta_m']:+.2f}"
    click.echo(f"{said} ({found['cpu_s']:.0f} s)")


if __name__ == "__main__":
    main()
