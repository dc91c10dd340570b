"""The usual script's whole study, 32 trials of 10 epochs, whose log is the target of `time_to_quality`.

About three quarters of an hour on a quiet machine, and the real data.

    python -m benchmarks.record --data FOLDER
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.common.data import VARIABLE, Data
from benchmarks.common.project import run, scratch_project
from benchmarks.time_to_quality import RECORD, target_of


@click.command()
@click.option("--data", required=True, envvar=VARIABLE, type=click.Path(path_type=Path, exists=True))
@click.option("--trials", default=32, show_default=True)
@click.option("--epochs", default=10, show_default=True)
@click.option("--record", type=click.Path(path_type=Path), default=RECORD, show_default="the one that ships")
def main(data: Path, trials: int, epochs: int, record: Path) -> None:
    """Run the study and replace the log."""
    with scratch_project(Data(data.resolve(), made_up=False)) as project, TemporaryDirectory() as folder:
        project.headway("prepare")
        log = Path(folder) / record.name
        words = [sys.executable, "-m", "benchmarks.rivals.usual", str(project.prepared), "--log", str(log)]
        run([*words, "--trials", str(trials), "--epochs", str(epochs), "--threads", "1"], Path(folder))
        record.parent.mkdir(exist_ok=True)
        shutil.copy(log, record)
    target = target_of(record)
    click.echo(f"best last epoch {target.value:.4f}, after {target.epochs} of {target.total} epochs")


if __name__ == "__main__":
    main()
