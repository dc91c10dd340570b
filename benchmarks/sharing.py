"""What each way to share costs a step, against one trunk for all tasks, each at its defaults.

Of two networks of `mnist_fashion` (two sources, batches of 64, Adam): 784-128, one model and a stack of 4, and the
LeNet, one model. Times are those of the one thread that works, a model and step.

    python -m benchmarks.sharing [--data FOLDER] [--repeats N]
"""

from functools import partial
from pathlib import Path
from typing import Any

import click
import pandas as pd

from benchmarks.common import machine, measuring, results
from benchmarks.common.data import data_folder
from benchmarks.common.measuring import Contender, timed
from benchmarks.common.options import shared
from benchmarks.networks import Case, flagship
from pipeline.config import Experiment, with_values
from pipeline.config.sharing import Sharing
from pipeline.training.loop import train
from pipeline.training.numerics import settle
from pipeline.training.slot import trial_slot
from pipeline.training.stack.network import build_network
from pipeline.training.stack.stack import Stack

NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "784-128": ({}, (1, 4)),
    "LeNet": ({"model.trunk.kind": "lenet"}, (1,)),
}
"""Settings, and sizes of stacks."""


@click.command()
@shared(repeats=5)
def main(data: Path | None, repeats: int, quick: bool, folder: Path) -> None:
    """Time a training step with every way to share."""
    settle()
    with data_folder(data, (500, 100) if quick else (3000, 500)) as found, flagship(found) as case:
        about = {"machine": machine.describe(), "data": found.in_words}
        contenders = [
            _contender(case, network, kind, models)
            for network, (_, sizes) in NETWORKS.items()
            for models in sizes
            for kind in Sharing.choices
        ]
        table = measuring.take_turns(contenders, 1 if quick else repeats, warm_ups=1)
        click.echo(_costs(case, table).to_string())
    table["us"] = table["cpu_seconds"] * 1e6
    figure = results.bars(table, "us", "A training step by way to share", "microseconds a model and step")
    results.save("sharing", table, about, figure, folder)


def _contender(case: Case, network: str, kind: str, models: int) -> Contender:
    """An epoch."""
    own = _experiment(case, network, kind)
    stack = Stack(case.prepared, [trial_slot(number, own) for number in range(models)])
    return Contender(_named(network, kind, models), timed(partial(train, stack)), models * case.steps)


def _experiment(case: Case, network: str, kind: str) -> Experiment:
    return with_values(case.experiment, {**NETWORKS[network][0], "model.sharing.kind": kind})


def _costs(case: Case, table: pd.DataFrame) -> pd.DataFrame:
    """Of each network and way to share the parameters, and median microseconds in times those of one trunk."""
    medians, rows = measuring.summary(table, "cpu_seconds")["median"], {}
    for network, (_, sizes) in NETWORKS.items():
        for kind in Sharing.choices:
            count = build_network(case.prepared, [_experiment(case, network, kind)]).count()
            row: dict[str, float] = {"parameters": count}
            for models in sizes:
                name, plain = (_named(network, it, models) for it in (kind, "shared"))
                row[f"us, {models}"] = round(medians[name] * 1e6)
                row[f"of shared, {models}"] = round(measuring.ratio(table, name, plain, "cpu_seconds"), 2)
            rows[f"{network}, {kind}"] = row
    return pd.DataFrame(rows).T


def _named(network: str, kind: str, models: int) -> str:
    return f"{network}, {kind}, stack of {models}"


if __name__ == "__main__":
    main()
