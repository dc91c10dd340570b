"""What it costs a sampler to propose while others train: the best objective of studies with several batches in flight.

Studies of three experiments on the embedded data, with other seeds each; those of a seed differ in the number of
batches in flight alone, and in the sampler. A row a study is appended to FILE, which goes on where it stopped.

    python -m benchmarks.knowing_less [--seeds N] [--trials N] [--file FILE]
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pandas as pd

from benchmarks.common import records
from pipeline.config import Experiment, load
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.training.workers.pool import WorkerPool
from pipeline.tuning.search import search
from pipeline.tuning.study import open_study, table

PROJECT = Path(__file__).parents[1]
FILE = Path(__file__).parent / "records" / "knowing_less.csv"
COLUMNS = ("experiment", "seed", "trials", "sampler", "in_flight", "best", "epochs")
KEY = COLUMNS[:5]
ARMS = (("random", 1), ("tpe", 1), ("tpe", 2), ("tpe", 4), ("tpe", 8))
VALUES = {
    "training.schedule": "constant", "training.early_stopping": None, "training.epochs": 4, "tuning.replicates": 1,
    "tuning.batch": 8, "training.batch_size": 256,
}  # fmt: skip


@click.command()
@click.option("--seeds", default=6, show_default=True)
@click.option("--trials", default=128, show_default=True)
@click.option("--file", type=click.Path(path_type=Path), default=FILE, show_default=False)
@click.option("--only", "names", multiple=True, default=("digits", "census", "mnist_fashion"), show_default=True)
def main(seeds: int, trials: int, file: Path, names: tuple[str, ...]) -> None:
    """Run the studies that are missing, and compare each with random search of its seed."""
    known = records.known(file, KEY)
    with TemporaryDirectory() as place:
        for name, seed in product(names, range(seeds)):
            missing = [it for it in ARMS if (name, seed, trials, *it) not in known]
            for row in studies(name, seed, trials, missing, Path(place) / f"{name}-{seed}"):
                records.append(file, COLUMNS, row)
    click.echo(compared(pd.read_csv(file).query("trials == @trials")).round(3).to_string())


def studies(
    name: str, seed: int, trials: int, arms: list[tuple[str, int]], folder: Path
) -> Iterator[dict[str, str | int | float]]:
    """A row for each arm."""
    prepared: Prepared | None = None
    for sampler, in_flight in arms:
        values = {"tuning.sampler": sampler, "tuning.batches_in_flight": in_flight, "tuning.trials": trials}
        experiment = load(name, VALUES | values | {"seed": seed}, PROJECT)
        prepared = prepared or prepared_in(experiment, folder)
        study = open_study("study", f"sqlite:///{folder}/{sampler}-{in_flight}.db", folder / "lock")
        with WorkerPool(1) as pool:
            search(study, experiment, prepared, pool, folder / f"{sampler}-{in_flight}")
        epochs = sum(len(it.intermediate_values) for it in study.trials)
        yield {
            "experiment": name, "seed": seed, "trials": len(table(study)), "sampler": sampler, "in_flight": in_flight,
            "best": study.best_value, "epochs": epochs,
        }  # fmt: skip


def prepared_in(experiment: Experiment, folder: Path) -> Prepared:
    """The embedded data, split as the seed says."""
    folder.mkdir()
    prepare(experiment, Place("sample", PROJECT / "experiments" / "data", None, folder), folder, lambda _: None)
    return open_prepared(folder)


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """By experiment and arm: the mean best objective, and by how many points it is above random search's, seed by seed.

    Returns:
        `best`, `points` (100 times the mean difference), `error` (its standard error), `wins` (share of the seeds).
    """
    best = rows.set_index(["experiment", "seed", "sampler", "in_flight"])["best"].unstack(["sampler", "in_flight"])
    gains = 100.0 * best.sub(best["random", 1], axis=0)
    groups = gains.groupby(level="experiment")
    found = {
        "best": best.groupby(level="experiment").mean(), "points": groups.mean(), "error": groups.sem(),
        "wins": (gains > 0.0).groupby(level="experiment").mean(),
    }  # fmt: skip
    return pd.concat({name: it.stack(["sampler", "in_flight"]) for name, it in found.items()}, axis=1)


if __name__ == "__main__":
    main()
