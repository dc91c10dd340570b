"""Batches in flight: how busy hosts are, and how many one coordinator can keep busy.

The hosts only pretend to train, on a virtual clock (`benchmarks.common.virtual_hosts`), or by `--actors` as Ray actors
that sleep on the real one (`benchmarks.common.sleeping_hosts`). What the coordinator does is real: the pool, the search
with its samplers, and Optuna's storage on sqlite. MLflow is not written to.

    python -m benchmarks.in_flight [--hosts N] [--trials N] [--batch N] [--in-flight N]... [--sampler NAME] [--draws N]

With several draws, of the trials' curves and of how long their epochs take, the last table has means over them, and
seconds and epochs as times those of the first number of batches, draw by draw.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import pandas as pd

from benchmarks.common.sleeping_hosts import SleepingHosts
from benchmarks.common.virtual_hosts import Value, VirtualHosts
from pipeline.config import Experiment, load
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.training.workers.pool import WorkerPool
from pipeline.tuning.proposals import Proposals
from pipeline.tuning.search import Callbacks, search
from pipeline.tuning.study import open_study, table

PROJECT = Path(__file__).parents[1]
VALUES = {
    "training.epochs": 16, "training.schedule": "constant", "training.early_stopping": None, "tuning.replicates": 1,
    "slots": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What a study on virtual hosts took.

    Attributes:
        in_flight: Batches.
        draw: Which.
        seconds: Virtual ones, from the start to the end.
        busy_while_asking: Share of the hosts' time for which they trained, until the last trial was asked.
        busy: The same over all.
        epochs: That were trained.
        trial_ms: CPU milliseconds of the coordinator a trial: proposing, storing and recording it.
        epoch_ms: The same an epoch, of all else.
        saturated_at: Hosts of which it can keep no more busy, at epochs of a second.
        sha: Of the table of trials.
    """

    in_flight: int
    draw: int
    seconds: float
    busy_while_asking: float
    busy: float
    epochs: int
    trial_ms: float
    epoch_ms: float
    saturated_at: int
    sha: int


@click.command()
@click.option("--hosts", default=64, show_default=True)
@click.option("--trials", default=1_024, show_default=True)
@click.option("--batch", default=16, show_default=True)
@click.option("--in-flight", multiple=True, type=int, default=(1, 4, 16), show_default=True)
@click.option("--sampler", default="random", show_default=True)
@click.option("--pruner", default="none", show_default=True)
@click.option("--epochs", default=16, show_default=True, help="Of a trial that is not pruned.")
@click.option("--actors", is_flag=True, help="Ray actors that sleep, on the real clock.")
@click.option("--draws", default=1, show_default=True, help="Of curves and lengths of epochs.")
def main(
    hosts: int,
    trials: int,
    batch: int,
    in_flight: Sequence[int],
    sampler: str,
    pruner: str,
    epochs: int,
    actors: bool,
    draws: int,
) -> None:
    """Run the study with each number of batches in flight."""
    values = VALUES | {
        "tuning.trials": trials, "tuning.batch": batch, "tuning.sampler": sampler, "tuning.pruner": pruner,
        "training.epochs": epochs,
    }  # fmt: skip
    with TemporaryDirectory() as place:
        prepared = prepared_in(Path(place))
        rows = []
        for draw, number in product(range(draws), in_flight):
            experiment = load("digits", values | {"tuning.batches_in_flight": number}, PROJECT)
            folder = Path(place) / f"{draw}-{number}"
            rows.append(
                asdict(simulated(experiment, prepared, hosts, folder, draw, SleepingHosts if actors else VirtualHosts))
            )
            click.echo(f"{rows[-1]}", err=True)
    click.echo(summary(pd.DataFrame(rows)).round(3).to_string(index=False))


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the draws, a row a number of batches, with `times_seconds` and `times_epochs` of the first number.

    Args:
        rows: The attributes of `Found`.
    """
    rows = rows.drop(columns="sha")
    first = rows[rows["in_flight"] == rows["in_flight"].iloc[0]].set_index("draw")
    for name in ("seconds", "epochs"):
        rows[f"times_{name}"] = rows[name] / rows["draw"].map(first[name])
    return rows.groupby("in_flight", sort=False).mean().drop(columns="draw").reset_index()


def prepared_in(folder: Path) -> Prepared:
    """The data, which nobody trains on."""
    prepare(load("digits", {}, PROJECT), Place("sample", PROJECT / "experiments", None, folder), folder, lambda _: None)
    return open_prepared(folder)


def seconds_of(draw: int) -> Value:
    """Seconds of an epoch: the trials' differ fourfold, on average they take one."""
    return lambda name, look: random.Random(f"{draw}/{name}").uniform(0.4, 1.6)


def objective_of(draw: int) -> Value:
    """Curves that rise, some higher than others, with noise."""

    def value(name: str, look: int) -> float:
        name = f"{draw}/{name}"
        return random.Random(name).random() * (1.0 - 0.7**look) + random.Random(f"{name}/{look}").gauss(0.0, 0.02)

    return value


def simulated(
    experiment: Experiment,
    prepared: Prepared,
    hosts: int,
    folder: Path,
    draw: int = 0,
    kind: type[VirtualHosts | SleepingHosts] = VirtualHosts,
) -> Found:
    """Run a study on hosts that only pretend to train."""
    assert experiment.tuning is not None
    folder.mkdir()
    engine = kind(hosts, seconds_of(draw), objective_of(draw))
    study = open_study("study", f"sqlite:///{folder / 'optuna.db'}", folder / "lock")
    asked = [0.0, 0.0]

    def on_batch(_: object) -> None:
        asked[:] = engine.now(), engine.busy_s()

    with Clocks() as clocks, WorkerPool(hosts, engine=engine) as pool:
        pool.hosts()  # their start is not the study's
        began = time.process_time()
        search(study, experiment, prepared, pool, folder / "checkpoints", Callbacks(batch=on_batch))
        spent, seconds, busy_s = time.process_time() - began, engine.now(), engine.busy_s()
    engine.close()
    found, epochs = table(study).drop(columns="seconds"), engine.epochs()
    trial_s = clocks.spent / len(found)
    epoch_s = (spent - clocks.spent) / epochs
    return Found(
        experiment.tuning.batches_in_flight, draw, seconds, asked[1] / hosts / asked[0], busy_s / hosts / seconds,
        epochs, 1e3 * trial_s, 1e3 * epoch_s, int(1.0 / (epoch_s + trial_s * len(found) / epochs)),
        int(pd.util.hash_pandas_object(found).sum()),
    )  # fmt: skip


class Clocks:
    """Measures what the coordinator spends on trials: proposing and recording them."""

    def __init__(self) -> None:
        self.spent = 0.0
        self._replaced: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> "Clocks":
        from pipeline.tuning.search import _Search

        for owner, name in ((Proposals, "ask"), (_Search, "_record")):
            method = getattr(owner, name)
            self._replaced.append((owner, name, method))
            setattr(owner, name, self._timed(method))
        return self

    def __exit__(self, *_: object) -> None:
        for owner, name, method in self._replaced:
            setattr(owner, name, method)

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.thread_time()
            try:
                return method(*args, **kwargs)
            finally:
                self.spent += time.thread_time() - began

        return call


if __name__ == "__main__":
    main()
