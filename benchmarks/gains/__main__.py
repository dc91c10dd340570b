"""Measure what tuning gains on public tables of 150, 500 and 2,000 rows, append a row a job, and judge.

    python -m pip install -c requirements.txt -e .[public]
    python -m benchmarks.gains [--hours H] [--processes N] [--draws K] [--record FILE]

It goes on where it stopped: what has a row is not run again. It prints what the tuned shared network has more than the
experiment as written, by size, and exits with 1 where drafts do not follow it, or a row lacks.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import click
import pandas as pd

from benchmarks.common import machine, records
from benchmarks.gains.job import row
from benchmarks.gains.judged import by_size, checks
from benchmarks.gains.tables import SIZES, Table, tables
from benchmarks.public.tables import missing
from pipeline.drafts.tuned import enough

RECORD = Path(__file__).parents[1] / "records" / "public" / "gains.csv"
COLUMNS = (
    "table", "rows", "draw", "replicates", "gain", "delta_m", "low", "high", "tasks", "gain_few", "delta_m_few",
    "written_s", "tuning_s", "cpu_s",
)  # fmt: skip
DRAWS = 3
"""Of the rows of each table and size."""

Job = tuple[Table, int, int]


@click.command()
@click.option("--hours", default=12.0, show_default=True, help="After which no further job is begun.")
@click.option("--processes", default=machine.cores(), show_default="one a core", help="Jobs at a time.")
@click.option("--draws", default=DRAWS, show_default=True, help="Draws of the rows of each table and size.")
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), default=RECORD, show_default="beside this")
def main(hours: float, processes: int, draws: int, record: Path) -> None:
    """Run what has no row yet, and judge."""
    if line := missing():
        raise click.ClickException(line)
    record.parent.mkdir(parents=True, exist_ok=True)
    every = list(planned(list(tables()), draws))
    done, until = records.known(record, ("table", "rows", "draw")), time.monotonic() + 3600 * hours
    left = [(table, rows, draw) for table, rows, draw in every if (table.name, rows, draw) not in done]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for future in as_completed(pool.submit(row, *job, until) for job in left):
            if found := future.result():
                records.append(record, COLUMNS, found)
                click.echo(f"{found['table']} {found['rows']}: {found['gain']:+.2f} points ({found['cpu_s']:.0f} s)")
    jobs = pd.read_csv(record)
    click.echo(by_size(jobs).to_string(index=False))
    hold = records.judged(checks(jobs, len(every), {rows: enough(rows) for rows in SIZES}))
    click.echo(f"{jobs['cpu_s'].sum() / 3600:.1f} CPU hours")
    sys.exit(0 if hold else 1)


def planned(every: Sequence[Table], draws: int) -> Iterator[Job]:
    """All jobs, of each draw a table after the other with all its sizes, so that a part of them tells of every size."""
    for draw in range(draws):
        for table in every:
            for rows in table.sizes:
                yield table, rows, draw


if __name__ == "__main__":
    main()
