"""The usual study: Optuna's TPE around a function that trains one network, one trial after the other."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import optuna
import torch

from pipeline.data.prepared import Prepared, open_prepared

Epoch = Callable[[int, float], None]
"""Told of an epoch: its number from 1, and the mean validation accuracy over the tasks."""

Train = Callable[[Prepared, Mapping[str, Any], int, Epoch], float]
"""Trains one network with these settings for so many epochs; the mean validation accuracy of the last."""


def suggested(trial: optuna.Trial) -> dict[str, Any]:
    """The space of `experiments/mnist_fashion.yaml`, its weights on the simplex of two tasks."""
    return settings_of(
        trial.suggest_float("share", 0.0, 1.0),
        trial.suggest_float("dropout", 0.0, 0.7),
        trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
    )


def settings_of(share: float, dropout: float, learning_rate: float) -> dict[str, Any]:
    """What is trained with, given a point of the space."""
    return {"weights": (2.0 * share, 2.0 * (1.0 - share)), "dropout": dropout, "learning_rate": learning_rate}


class Log:
    """Notes when epochs end.

    Args:
        path: Gets a line of JSON for every epoch; None for none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._started, self._started_cpu = time.perf_counter(), time.process_time()
        self._ends: dict[int, list[float]] = {}

    def spent(self) -> dict[str, float]:
        """Seconds so far, of wall and processor time."""
        return {
            "seconds": time.perf_counter() - self._started,
            "cpu_seconds": time.process_time() - self._started_cpu,
        }

    def epoch(self, trial: int, epoch: int, accuracy: float) -> None:
        """An epoch of a trial has ended."""
        spent = self.spent()
        self._ends.setdefault(trial, []).append(spent["seconds"])
        if self._path:
            with self._path.open("a") as file:
                file.write(json.dumps({"trial": trial, "epoch": epoch, "validation": accuracy, **spent}) + "\n")

    def epoch_seconds(self) -> float:
        """The mean wall time of an epoch that is not a trial's first."""
        return statistics.mean((ends[-1] - ends[0]) / (len(ends) - 1) for ends in self._ends.values() if len(ends) > 1)


def command(train: Train) -> click.Command:
    """The command line of a script that searches with a way to train."""

    @click.command()
    @click.argument("folder", type=click.Path(path_type=Path))
    @click.option("--trials", default=32, show_default=True)
    @click.option("--epochs", default=10, show_default=True)
    @click.option("--seed", default=0, show_default=True)
    @click.option("--threads", default=0, show_default="torch's own", help="Of torch.")
    @click.option("--storage", default=None, help="An Optuna URL; several processes may work on one.")
    @click.option("--log", default=None, type=click.Path(path_type=Path), help="A line of JSON for every epoch.")
    def main(
        folder: Path, trials: int, epochs: int, seed: int, threads: int, storage: str | None, log: Path | None
    ) -> None:
        """Run the study on a prepared FOLDER; the last line is what its loop took, as JSON."""
        if threads:
            torch.set_num_threads(threads)
        torch.manual_seed(seed)
        prepared = open_prepared(folder)
        noted = Log(log)

        def objective(trial: optuna.Trial) -> float:
            def at_epoch(epoch: int, accuracy: float) -> None:
                noted.epoch(trial.number, epoch, accuracy)

            return train(prepared, suggested(trial), epochs, at_epoch)

        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed), storage=storage,
            study_name="usual", load_if_exists=True,
        )  # fmt: skip
        study.optimize(objective, n_trials=trials)
        click.echo(json.dumps({"best": study.best_value, **noted.spent(), "epoch_seconds": noted.epoch_seconds()}))

    return main
