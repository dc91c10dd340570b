"""Ray Tune with Optuna search around the usual script's training: a trial a core, as many as there are at a time.

    python -m benchmarks.rivals.ray_tune PREPARED --trials 32 --epochs 10

Needs the `bench` extra. Each trial is a process of its own, which Ray gives one thread.
"""

import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import ray
from ray import tune
from ray.tune.search.optuna import OptunaSearch

from benchmarks.rivals.optuna_study import Log, settings_of
from benchmarks.rivals.usual import train
from pipeline.data.prepared import open_prepared

_SPACE = {
    "share": tune.uniform(0.0, 1.0),
    "dropout": tune.uniform(0.0, 0.7),
    "learning_rate": tune.loguniform(1e-4, 1e-2),
}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--trials", default=32, show_default=True)
@click.option("--epochs", default=10, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(folder: Path, trials: int, epochs: int, seed: int) -> None:
    """Run the study on a prepared FOLDER; the last line is what its loop took, as JSON."""
    cores = len(os.sched_getaffinity(0))
    ray.init(address="local", num_cpus=cores, include_dashboard=False, log_to_driver=False)

    def objective(config: dict[str, Any]) -> None:
        log = Log(None)

        def at_epoch(epoch: int, accuracy: float) -> None:
            log.epoch(0, epoch, accuracy)

        accuracy = train(open_prepared(folder.resolve()), settings_of(**config), epochs, at_epoch)
        tune.report({"accuracy": accuracy, "epoch_seconds": log.epoch_seconds()})

    started = time.perf_counter()
    with TemporaryDirectory() as results:
        found = tune.Tuner(
            tune.with_resources(objective, {"cpu": 1}),
            param_space=_SPACE,
            tune_config=tune.TuneConfig(
                metric="accuracy", mode="max", num_samples=trials, search_alg=OptunaSearch(seed=seed),
                max_concurrent_trials=cores,
            ),
            run_config=tune.RunConfig(storage_path=results, verbose=0),
        ).fit()  # fmt: skip
    told = [one.metrics for one in found]
    spent = time.perf_counter() - started
    epoch_seconds = sum(one["epoch_seconds"] for one in told) / len(told)
    best = max(one["accuracy"] for one in told)
    ray.shutdown()
    click.echo(json.dumps({"best": best, "seconds": spent, "cpu_seconds": 0.0, "epoch_seconds": epoch_seconds}))


if __name__ == "__main__":
    main()
