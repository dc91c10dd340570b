"""What tracking, checkpoints and progress cost a study, what evaluation costs an epoch, and what busy neighbours do.

The same small study is run by the real command with everything on, with each part off in turn, and beside two
processes that each keep a core busy. A study of 64 trials then says which share of its time is not training: seconds
that training waits, and processor seconds that other threads take from it, spread over the cores.

    python -m benchmarks.overhead [--data FOLDER]
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import pandas as pd

from benchmarks.common import machine, measuring, results
from benchmarks.common.data import Data, data_folder, prepared_from
from benchmarks.common.measuring import Contender, Spent, timed
from benchmarks.common.options import shared
from benchmarks.common.project import Project, run, run_on_terminal, scratch_project
from benchmarks.networks import REPOSITORY
from benchmarks.study import Size, study_values
from pipeline.config import load, with_values
from pipeline.training.loop import advance
from pipeline.training.numerics import settle
from pipeline.training.slot import trial_slot
from pipeline.training.stack.stack import Stack

EVERYTHING, NEIGHBOURS, LONG = "everything on", "beside two busy neighbours", "64 trials"
EVALUATED, NOT_EVALUATED = "epoch of 8 with evaluation", "epoch of 8 without"
OFF = {"without tracking": "tracking", "without checkpoints": "checkpoints"}
QUIET = "without progress"
_NEIGHBOURS = 2


@click.command()
@shared(repeats=3)
@click.option("--only", default="", help="Only contenders whose names contain this.")
def main(data: Path | None, repeats: int, quick: bool, folder: Path, only: str) -> None:
    """Time the study with parts on and off."""
    about: dict[str, Any] = {"machine": machine.describe()}
    size = Size(4, 2, 2) if quick else Size(trials=16, epochs=3, batch=8)
    long = Size(4, 2, 2) if quick else Size(trials=64)
    repeats = 1 if quick else repeats
    with data_folder(data, (1000, 200) if quick else (60_000, 10_000)) as found, scratch_project(found) as project:
        project.headway("prepare")
        project.headway("tune", study_values(Size(2, 1, 2)))  # makes the databases
        about |= {"data": found.in_words, "trials": size.trials, "epochs": size.epochs, "long": long.trials}
        small = [it for it in _studies(project, size) if only in it.name]
        table = measuring.take_turns(small, repeats)
        if only in LONG:
            whole = [Contender(LONG, lambda: _tune(project, long))]
            table = pd.concat((table, measuring.take_turns(whole, 1)))
        with TemporaryDirectory() as arrays:
            epochs = [it for it in _epochs(Path(arrays), found) if only in it.name]
            table = pd.concat((table, measuring.take_turns(epochs, repeats, warm_ups=1)))
    click.echo(_shown(table))
    figure = results.bars(table[table["name"] != LONG], "seconds", "A study with parts on and off", "seconds")
    results.save("overhead", table, about, figure, folder)


def books_percent(row: pd.Series, cores: int) -> float:
    """The share of a study's wall time after its start-up that is not training, in percent, counted high."""
    wall = row["seconds"] - row["start_up"]
    return float(100.0 * (wall - row["training"] + row["behind"] / cores) / wall)


def _studies(project: Project, size: Size) -> Iterator[Contender]:
    yield Contender(EVERYTHING, lambda: _tune(project, size))
    for name, part in OFF.items():
        yield Contender(name, lambda part=part: _tune(project, size, "--without", part))
    yield Contender(QUIET, lambda: _tune(project, size, quiet=True))

    def beside() -> Spent:
        with _busy(_NEIGHBOURS):
            return _tune(project, size)

    yield Contender(NEIGHBOURS, beside)


def _tune(project: Project, size: Size, *switches: str, quiet: bool = False) -> Spent:
    """The study as a new one, with progress on a terminal unless quiet; with the note of where its time went."""
    note = project.folder / "note.json"
    words = [sys.executable, "-m", "benchmarks.switches", "--note", str(note), *switches, "--"]
    words += project.words("tune", study_values(size), "--force", "tune", *(("--quiet",) if quiet else ()))
    spent = run(words, project.folder) if quiet else run_on_terminal(words, project.folder)
    told = json.loads(note.read_text())
    spent.more = {name: told[name] for name in ("start_up", "training", "behind")}
    return spent


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    """So many processes that each keep a core busy."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _epochs(folder: Path, data: Data) -> Iterator[Contender]:
    """An epoch of a stack of 8 with its evaluation and without."""
    values = {"training.epochs": 1000, "training.early_stopping": None, "tuning": None}
    experiment = load("mnist_fashion", values, REPOSITORY)
    prepared = prepared_from(data, experiment, folder)
    settle()
    for name, share in ((EVALUATED, 0.1), (NOT_EVALUATED, 0.0)):
        changed = with_values(experiment, {"data.validation": share})
        slots = [trial_slot(number, changed) for number in range(8)]
        yield Contender(name, timed(partial(advance, Stack(prepared, slots))))


def _shown(table: pd.DataFrame) -> str:
    """Least and median seconds, and the medians of the ratios to everything on."""
    costs = measuring.summary(table)
    costs["of all on"] = [measuring.ratio(table, name, EVERYTHING) for name in costs.index]
    lines = [costs.round(3).to_string()]
    for _, row in table[table["name"] == LONG].iterrows():
        lines.append(f"{LONG}: {books_percent(row, machine.cores()):.1f} % is not training")
    share = 1.0 - measuring.ratio(table, NOT_EVALUATED, EVALUATED, "cpu_seconds")
    lines.append(f"evaluation: {100.0 * share:.1f} % of an epoch")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
