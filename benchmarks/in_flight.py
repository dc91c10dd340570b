"""Batches in flight: how busy hosts are, and how many one coordinator can keep busy.

The hosts only pretend to train, on a virtual clock (`benchmarks.common.virtual_hosts`); what the coordinator does is
real: the pool, the search with its samplers, and Optuna's storage on sqlite. MLflow is not written to.

    python -m benchmarks.in_flight [--hosts N] [--trials N] [--batch N] [--in-flight N]... [--sampler NAME]
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import pandas as pd

from benchmarks.common.virtual_hosts import VirtualHosts
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
def main(hosts: int, trials: int, batch: int, in_flight: Sequence[int], sampler: str, pruner: str) -> None:
    """Run the study with each number of batches in flight."""
    values = {"tuning.trials": trials, "tuning.batch": batch, "tuning.sampler": sampler, "tuning.pruner": pruner}
    with TemporaryDirectory() as place:
        prepared = prepared_in(Path(place))
        rows = []
        for number in in_flight:
            experiment = load("digits", VALUES | values | {"tuning.batches_in_flight": number}, PROJECT)
            rows.append(asdict(simulated(experiment, prepared, hosts, Path(place) / f"{number}")))
            click.echo(f"{rows[-1]}", err=True)
    click.echo(pd.DataFrame(rows).drop(columns="sha").round(3).to_string(index=False))


def prepared_in(folder: Path) -> Prepared:
    """The data, which nobody trains on."""
    prepare(load("digits", {}, PROJECT), Place("sample", PROJECT / "experiments", None, folder), folder, lambda _: None)
    return open_prepared(folder)


def seconds_of(name: str, look: int) -> float:
    """Seconds of an epoch: the trials' differ fourfold, on average they take one."""
    return random.Random(name).uniform(0.4, 1.6)


def objective_of(name: str, look: int) -> float:
    """Curves that rise, some higher than others, with noise."""
    return random.Random(name).random() * (1.0 - 0.7**look) + random.Random(f"{name}/{look}").gauss(0.0, 0.02)


def simulated(experiment: Experiment, prepared: Prepared, hosts: int, folder: Path) -> Found:
    """Run a study on virtual hosts."""
    assert experiment.tuning is not None
    folder.mkdir()
    engine = VirtualHosts(hosts, seconds_of, objective_of)
    study = open_study("study", f"sqlite:///{folder / 'optuna.db'}", folder / "lock")
    asked = [0.0, 0.0]

    def on_batch(_: object) -> None:
        asked[:] = engine.now(), sum(host.busy_s for host in engine.all)

    clocks = Clocks()
    began = time.process_time()
    with clocks, WorkerPool(hosts, engine=engine) as pool:
        search(study, experiment, prepared, pool, folder / "checkpoints", Callbacks(batch=on_batch))
    spent, epochs = time.process_time() - began, sum(host.epochs for host in engine.all)
    found = table(study).drop(columns="seconds")
    trial_s = clocks.spent / len(found)
    epoch_s = (spent - clocks.spent) / epochs
    return Found(
        experiment.tuning.batches_in_flight, engine.now(), asked[1] / hosts / asked[0],
        sum(host.busy_s for host in engine.all) / hosts / engine.now(), epochs, 1e3 * trial_s, 1e3 * epoch_s,
        int(1.0 / (epoch_s + trial_s * len(found) / epochs)), int(pd.util.hash_pandas_object(found).sum()),
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
