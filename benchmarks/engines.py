"""What `--engine ray` costs beside worker processes: CPU seconds of the same study, and of its start apart.

Both run `headway tune mnist_fashion` on the full data, in turns, with the same number of hosts; Ray on a cluster of its
own on this machine. All processes count, Ray's own too: they are looked at several times a second, as long as the
command runs. A short study of the same shape is taken as the start.

    python -m benchmarks.engines [--data FOLDER]

It exits with 1 where the median of the paired ratios is above what is asked.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import pandas as pd

from benchmarks.common import machine, records, results
from benchmarks.common.data import data_folder
from benchmarks.common.measuring import Contender, Spent, take_turns
from benchmarks.common.options import shared
from benchmarks.common.project import Project, environment, scratch_project

ASKED = 1.1
"""Times the CPU seconds of worker processes, without the starts."""

ENGINES = {"worker processes": (), "Ray": ("--engine", "ray")}
_EVERY_S = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")


@click.command()
@shared(repeats=3)
@click.option("--trials", default=16, show_default=True)
@click.option("--epochs", default=3, show_default=True)
@click.option("--batch", default=8, show_default=True, help="Trials that are asked for together.")
@click.option("--hosts", default=2, show_default=True)
def main(
    data: Path | None, repeats: int, quick: bool, folder: Path, trials: int, epochs: int, batch: int, hosts: int
) -> None:
    """Run both studies on both engines in turns."""
    if quick:
        trials, epochs, batch, repeats = 4, 2, 2, 1
    common = {
        "tuning.batch": batch, "tuning.replicates": 1, "training.seeds": 1, "tuning.base": "{}", "processes": hosts,
    }  # fmt: skip
    lengths = {"start": (batch, 1), "whole": (trials, epochs)}
    with data_folder(data, (1000, 200) if quick else (60_000, 10_000)) as found, scratch_project(found) as project:
        project.headway("prepare", common)
        turns = [
            Contender(f"{engine}, {length}", study(project, common | _length(*size), options))
            for engine, options in ENGINES.items()
            for length, size in lengths.items()
        ]
        table = take_turns(turns, repeats)
    about = {"machine": machine.describe(), "hosts": hosts, "trials": trials, "epochs": epochs}
    figure = results.bars(table, "cpu_seconds", "CPU seconds of a study", "seconds")
    results.save("engines", table, about, figure, folder)
    ratios = paired(table)
    click.echo(table.groupby("name", sort=False)["cpu_seconds"].agg(["min", "median", "max"]).round(1).to_string())
    click.echo(f"Ray, times worker processes, without the starts: {', '.join(f'{it:.3f}' for it in ratios)}")
    middle = float(ratios.median())
    sys.exit(0 if records.judged([(f"{middle:.3f} <= {ASKED}", middle <= ASKED or quick)]) else 1)


def study(project: Project, values: dict[str, Any], options: Sequence[str]) -> Callable[[], Spent]:
    """A turn: a new study, and what all its processes took."""

    def run() -> Spent:
        words = [sys.executable, "-m", "pipeline", *project.words("tune", values, "--force", "tune", *options)]
        began = time.perf_counter()
        command = subprocess.Popen(
            words, cwd=project.folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        seconds: dict[tuple[int, str], float] = {}
        while command.poll() is None:
            seconds |= cpu_seconds({command.pid, *(process for process, _ in seconds)})
            time.sleep(_EVERY_S)
        if command.returncode:
            raise RuntimeError(f"{' '.join(words)} failed:\n{command.stderr.read() if command.stderr else ''}")
        return Spent(time.perf_counter() - began, sum(seconds.values()))

    return run


def cpu_seconds(roots: set[int]) -> dict[tuple[int, str], float]:
    """What processes and all below them have taken so far, by their number and the time of their start."""
    parents, found = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        process = int(path.parent.name)
        parents[process] = int(words[1])
        found[process] = (words[19], (int(words[11]) + int(words[12])) / _TICKS)

    def is_below(process: int) -> bool:
        while process and process not in roots:
            process = parents.get(process, 0)
        return bool(process)

    return {(process, start): taken for process, (start, taken) in found.items() if is_below(process)}


def paired(table: pd.DataFrame) -> pd.Series:
    """Ray's CPU seconds times those of worker processes, turn by turn, each without its start."""
    by_turn = table.pivot_table(index="repeat", columns="name", values="cpu_seconds")
    worked = {engine: by_turn[f"{engine}, whole"] - by_turn[f"{engine}, start"] for engine in ENGINES}
    return worked["Ray"] / worked["worker processes"]


def _length(trials: int, epochs: int) -> dict[str, int]:
    return {"tuning.trials": trials, "training.epochs": epochs}


if __name__ == "__main__":
    main()
