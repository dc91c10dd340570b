"""What the first line costs on small tables, all of whose rows test: user CPU seconds of `headway run`.

The tables are made up, with three tasks each (`benchmarks.outer_folds`), and drafted by `headway init`. Each is run in
a project of its own, with studies and without any; all processes that a run starts count.

    python -m benchmarks.small_costs [--rows N]... [--repeats K] [--processes N]

It exits with 1 where a median is above what is asked. A machine that others share takes more seconds for the same work.
"""

import os
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pandas as pd

from benchmarks.common import records
from benchmarks.common.project import run
from benchmarks.outer_folds import made

ASKED = {(150, True): 100.0, (150, False): 45.0, (2_000, True): 600.0, (2_000, False): 150.0}
"""User CPU seconds by rows, and whether it is tuned."""

TARGETS = "class:multiclass,large:binary,size:regression"
_NAME = "made"


@click.command()
@click.option("--rows", "sizes", multiple=True, type=int, default=(150, 2_000), show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--processes", type=int, help="That a run may take; by default it decides.")
def main(sizes: Sequence[int], repeats: int, processes: int | None) -> None:
    """Run each table so often, tuned and not, in turns."""
    rows = []
    for repeat in range(repeats):
        for size in sizes:
            for tuned in (False, True):
                found = {"rows": size, "tuned": tuned, "user_s": round(user_s(size, tuned, processes), 1)}
                rows.append(found | {"load": round(os.getloadavg()[0], 1)})
                click.echo(f"{repeat + 1}/{repeats} {rows[-1]}", err=True)
    table = pd.DataFrame(rows)
    found = table.groupby(["rows", "tuned"])["user_s"].agg(["min", "median", "max"])
    click.echo(found.to_string())
    sys.exit(0 if records.judged(checks(found["median"])) else 1)


def user_s(rows: int, tuned: bool, processes: int | None = None) -> float:
    """What `headway run` takes on a made-up table, with all processes that it starts."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "MLproject").touch()
        made(rows).to_csv(folder / f"{_NAME}.csv", index=False)
        headway = [sys.executable, "-m", "pipeline"]
        run([*headway, "init", f"{_NAME}.csv", "--targets", TARGETS], folder)
        values = {"tuning.trials": "auto"} if tuned else {"tuning": "null"}
        values |= {} if processes is None else {"processes": str(processes)}
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        run([*headway, "run", _NAME, *(word for it in values.items() for word in ("--set", "=".join(it)))], folder)
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def checks(medians: pd.Series) -> Iterator[tuple[str, bool]]:
    """What is asked of the sizes that were run, in words with what was found, and whether it holds.

    Args:
        medians: User CPU seconds by rows and whether it is tuned.
    """
    for (rows, tuned), most in ASKED.items():
        if (rows, tuned) in medians.index:
            found = medians[rows, tuned]
            how = "tuned" if tuned else "tuning=null"
            yield f"{rows:,} rows, {how}: {found:.0f} user CPU s (at most {most:.0f})", bool(found <= most)


if __name__ == "__main__":
    main()
