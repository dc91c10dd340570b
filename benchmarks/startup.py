"""What it costs to begin: seconds of whole processes, of which a bare Python is the first.

    python -m benchmarks.startup [--repeats K]

It exits with 1 where `import headway` adds more than is asked. They take turns, and files have
been read before.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pandas as pd

from benchmarks.common import records
from benchmarks.common.project import run

BARE, IMPORT = "bare Python", "import headway"
ASKED_S = 0.1
"""Seconds that the import may add."""

PROGRAMS: Mapping[str, tuple[str, ...]] = {
    BARE: ("-c", "pass"),
    IMPORT: ("-c", "import headway"),
    "headway.Experiment.load": ("-c", "import headway; headway.Experiment.load('digits')"),
    "headway --help": ("-m", "headway", "--help"),
    "headway list": ("-m", "headway", "list"),
}


@click.command()
@click.option("--repeats", default=11, show_default=True)
def main(repeats: int) -> None:
    """Run each so often, and once before."""
    rows = []
    with TemporaryDirectory() as place:
        for repeat in range(repeats + 1):
            for name, words in PROGRAMS.items():
                spent = run([sys.executable, *words], Path(place))
                rows.append(
                    {"repeat": repeat, "program": name, "seconds": spent.seconds, "cpu_seconds": spent.cpu_seconds}
                )
    table = pd.DataFrame(rows)
    found = table[table["repeat"] > 0].groupby("program", sort=False)[["seconds", "cpu_seconds"]].median()
    click.echo(found.round(3).to_string())
    sys.exit(0 if records.judged(checks(found["cpu_seconds"])) else 1)


def checks(medians: pd.Series) -> Iterator[tuple[str, bool]]:
    """What is asked, in words with what was found, and whether it holds.

    Args:
        medians: Processor seconds by program; seconds of the clock hang on what else a machine does.
    """
    added = medians[IMPORT] - medians[BARE]
    yield f"{IMPORT} adds {added:.3f} CPU s (below {ASKED_S:g})", bool(added < ASKED_S)


if __name__ == "__main__":
    main()
