"""A study of 32 trials of 10 epochs: the real, tracked command against the same study done in the usual ways.

Ours runs whole, from the command's start to its end, on data prepared before. The others run 2 trials of 2 epochs a
process; their times are scaled: starting up as it was, then for each trial what a trial costs and its epochs.

    python -m benchmarks.study [--data FOLDER]
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import optuna
import pandas as pd

from benchmarks.common import machine, measuring, results
from benchmarks.common.data import Data, data_folder
from benchmarks.common.measuring import Clock, Contender, Spent
from benchmarks.common.options import shared
from benchmarks.common.project import environment, scratch_project
from benchmarks.networks import precisions

SCRIPT, TWO = "script, one process", "script, two processes"
MEMORY, RAY = "nn.Module in memory, two processes", "Ray Tune, a trial a core"


@dataclass(frozen=True)
class Size:
    """How large the study is, and how much of it the others do.

    Attributes:
        trials: In all.
        epochs: Of each.
        batch: Trials that ours asks for together.
        part: Trials, and epochs of each, that a process of the others does in a turn.
    """

    trials: int = 32
    epochs: int = 10
    batch: int = 16
    part: tuple[int, int] = (2, 2)


def ours_name(precision: str) -> str:
    """Its line in the table."""
    return f"headway tune, {precision}"


@click.command()
@shared(repeats=3)
@click.option("--only", default="", help="Only contenders whose names contain this.")
def main(data: Path | None, repeats: int, quick: bool, folder: Path, only: str) -> None:
    """Time the study, every way in turn."""
    about = {"machine": machine.describe()}
    size = Size(trials=4, epochs=2, batch=2) if quick else Size()
    with data_folder(data, (1000, 200) if quick else (60_000, 10_000)) as found, scratch_project(found) as project:
        project.headway("prepare")
        about |= {"data": found.in_words, "trials": size.trials, "epochs": size.epochs}
        contenders = [it for it in (*_ours(found, size), *_others(project.prepared, size)) if only in it.name]
        table = measuring.take_turns(contenders, 1 if quick else repeats)
    click.echo(_shown(table))
    figure = results.bars(table, "seconds", f"{size.trials} trials of {size.epochs} epochs", "seconds")
    results.save("study", table, about, figure, folder)


def _ours(data: Data, size: Size) -> Iterator[Contender]:
    for precision in precisions():

        def run(precision: str = precision) -> Spent:
            with scratch_project(data) as project:
                project.headway("prepare", {"precision": precision})
                return project.headway("tune", study_values(size) | {"precision": precision})

        yield Contender(ours_name(precision), run)


def study_values(size: Size) -> dict[str, object]:
    """The study as the others do it: every trial trains all its epochs."""
    return {
        "tuning.trials": size.trials, "tuning.batch": size.batch, "tuning.replicates": 1, "tuning.base": {},
        "training.epochs": size.epochs,
    }  # fmt: skip


def _others(prepared: Path, size: Size) -> Iterator[Contender]:
    usual, memory = "benchmarks.rivals.usual", "benchmarks.rivals.in_memory"
    yield Contender(SCRIPT, lambda: scripts(usual, prepared, size))
    yield Contender(TWO, lambda: scripts(usual, prepared, size, processes=2, threads=1))
    yield Contender(MEMORY, lambda: scripts(memory, prepared, size, processes=2, threads=1))
    if importlib.util.find_spec("ray"):
        yield Contender(RAY, lambda: ray_tune(prepared, size))
    else:
        click.echo("  ray is not installed: left out")


def scripts(module: str, prepared: Path, size: Size, processes: int = 1, threads: int = 0) -> Spent:
    """One turn of an Optuna script in some processes on one storage, scaled to the study.

    Args:
        module: Of the script.
        prepared: Folder of the data.
        size: Of the study.
        processes: That share the work.
        threads: Of each; 0 for torch's own number.
    """
    trials, epochs = size.part
    words = [sys.executable, "-m", module, str(prepared), "--trials", str(trials), "--epochs", str(epochs)]
    with TemporaryDirectory() as folder:
        words += ["--threads", str(threads)]
        if processes > 1:
            url = f"sqlite:///{folder}/optuna.db"
            optuna.storages.RDBStorage(url)  # two processes at once cannot make the tables
            words += ["--storage", url]
        with Clock() as clock:
            started = [_started([*words, "--seed", str(seed)], folder) for seed in range(processes)]
            told = [_finished(process) for process in started]
    return _scaled(told, clock.spent, size, processes)


def ray_tune(prepared: Path, size: Size) -> Spent:
    """One turn of Ray Tune, scaled to the study."""
    (trials, epochs), cores = size.part, machine.cores()
    words = [sys.executable, "-m", "benchmarks.rivals.ray_tune", str(prepared), "--trials", str(trials * cores)]
    with TemporaryDirectory() as folder, Clock() as clock:
        told = _finished(_started([*words, "--epochs", str(epochs)], folder))
    return _scaled([told], clock.spent, size, cores)


def _scaled(told: list[dict[str, float]], spent: Spent, size: Size, processes: int) -> Spent:
    """What the whole study would have cost, from what its processes told of their loops."""
    trials, epochs = size.part
    loop = sum(one["seconds"] for one in told) / len(told)
    epoch = sum(one["epoch_seconds"] for one in told) / len(told)
    start_up = spent.seconds - max(one["seconds"] for one in told)
    whole = size.trials / processes * (loop / trials + (size.epochs - epochs) * epoch)
    more = {"start_up": start_up, "epoch_seconds": epoch, "measured": spent.seconds}
    return Spent(start_up + whole, spent.cpu_seconds * whole / loop, more)


def _started(words: list[str], folder: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words, cwd=folder, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _finished(process: subprocess.Popen[str]) -> dict[str, float]:
    """The last line that a script said."""
    said, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, process.args))} failed:\n{errors}")  # type: ignore[arg-type]
    told: dict[str, float] = json.loads(said.strip().splitlines()[-1])
    return told


def _shown(table: pd.DataFrame) -> str:
    """Least and median seconds, and how many times ours each takes."""
    costs = measuring.summary(table)
    for precision in precisions():
        name = ours_name(precision)
        costs[f"of ours, {precision}"] = [measuring.ratio(table, other, name) for other in costs.index]
    return costs.round(2).to_string()


if __name__ == "__main__":
    main()
