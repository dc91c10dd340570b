"""What each balancing method costs a step: against equal weights, and against the same method by TorchJD alone.

The first table is of the network of `mnist_fashion`, one model and a stack of 8; methods that take no fewer than three
tasks have a third (which digit, is it odd, which garment), and so have the equal weights that they are held against.
The second is of a trunk of 784-128 with 2, 10 and 40 heads on the same rows. Times are those of
the one thread that works, a model and step; a method's own weighting is timed apart, on a Gramian of that size, and so
are the Gramian and TorchJD's Jacobian, each with the heads' gradients, after a forward pass.

    python -m benchmarks.balancers [--data FOLDER] [--repeats N] [--methods uncertainty,dwa]

With `--methods` these only, and the first table only: more turns then tell small differences from noise.
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch
from torchjd import aggregation as jd

from benchmarks.common import machine, measuring, results
from benchmarks.common.data import data_folder
from benchmarks.common.measuring import Contender, median_of, timed
from benchmarks.common.options import shared
from benchmarks.networks import Case, deep, flagship
from benchmarks.rivals.torchjd_mtl import jacobian_of, step_of
from pipeline.balance import StepInputs, make_balancer
from pipeline.config import Experiment, with_values
from pipeline.config.balancing import Balancing
from pipeline.data.batches import Batches
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, inputs_file, labels_file
from pipeline.draws import Stream
from pipeline.model import Pass, TaskGradients, loss_of
from pipeline.training.loop import train
from pipeline.training.numerics import settle
from pipeline.training.slot import trial_slot
from pipeline.training.stack.network import build_network
from pipeline.training.stack.stack import Stack
from pipeline.training.stack.task_losses import TaskLosses

MODELS = (1, 8)
TASKS = (2, 10, 40)
RIVALS: dict[str, Callable[[], jd.Aggregator]] = {
    "upgrad": jd.UPGrad,
    "mgda": jd.MGDA,
    "imtl_g": jd.IMTLG,
    "aligned_mtl": jd.AlignedMTL,
    "dualproj": jd.DualProj,
}
_ROWS, _BATCH = 64 * 40, 64
_GRAMIAN, _JACOBIAN = "the Gramian", "TorchJD's Jacobian"
_PLAIN = {
    "model.trunk.widths": [128],
    "model.trunk.norm": "none",
    "model.trunk.dropout": 0.5,
    "training.optimizer": "adam",
    "training.weight_decay": 0.0,
    "training.schedule": "constant",
}


@click.command()
@click.option("--methods", default=None, help="Names of methods to time; all by default.")
@shared(repeats=3)
def main(methods: str | None, data: Path | None, repeats: int, quick: bool, folder: Path) -> None:
    """Time a training step with every method, and the gradient-based ones against TorchJD."""
    settle()
    asked = methods.split(",") if methods else list(Balancing.choices)
    if unknown := set(asked) - set(Balancing.choices):
        raise click.BadParameter(f"unknown: {', '.join(sorted(unknown))}", param_hint="--methods")
    repeats = 1 if quick else repeats
    tables, costs = [], []
    with data_folder(data, (1000, 200) if quick else (6000, 1000)) as found:
        about = {"machine": machine.describe(), "data": found.in_words}
        for network, fewest in ((flagship, (1, 2)), (deep, (3,))):
            ours = [name for name in asked if Balancing.choices[name].min_tasks in fewest]
            if not ours:
                continue
            with network(found) as case:
                contenders = dict.fromkeys(["fixed", *ours])
                table = pd.concat([_methods(case, list(contenders), models, repeats) for models in MODELS])
            costs.append(_costs(table, ours, len(case.prepared.tasks)))
            tables.append(table)
    click.echo(pd.concat(costs).round(2).to_string())
    if methods:
        return
    for tasks in TASKS[:2] if quick else TASKS:
        tables.append(_against_torchjd(tasks, repeats))
        click.echo(_ratios(tables[-1], tasks).round(2).to_string())
    whole = pd.concat(tables, ignore_index=True)
    whole["us"] = whole["cpu_seconds"] * 1e6
    figure = results.bars(whole, "us", "A training step by balancing method", "microseconds a model and step")
    results.save("balancers", whole, about, figure, folder)


def _methods(case: Case, methods: Sequence[str], models: int, repeats: int) -> pd.DataFrame:
    """An epoch of every method."""
    contenders, tasks = [], len(case.prepared.tasks)
    for method in methods:
        own = with_values(case.experiment, _PLAIN | {"balancing.method": method})
        stack = Stack(case.prepared, [trial_slot(number, own) for number in range(models)])
        contenders.append(Contender(_named(method, tasks, models), timed(partial(train, stack)), models * case.steps))
    return measuring.take_turns(contenders, repeats)


def _costs(table: pd.DataFrame, methods: Sequence[str], tasks: int) -> pd.DataFrame:
    """Median microseconds a model and step, how many more and how many times those of equal weights, and of the
    weighting alone.
    """
    medians = measuring.summary(table, "cpu_seconds")["median"] * 1e6
    rows = {}
    for method in methods:
        row: dict[str, float] = {}
        for models in MODELS:
            name, equal = (_named(it, tasks, models) for it in (method, "fixed"))
            row[f"us, {models}"] = medians[name]
            row[f"us more, {models}"] = medians[name] - medians[equal]
            row[f"of equal, {models}"] = measuring.ratio(table, name, equal, "cpu_seconds")
        rows[method] = row | {"weighting alone, us": _weighting(method, tasks) * 1e6}
    return pd.DataFrame(rows).T


def _weighting(method: str, tasks: int) -> float:
    """Median seconds of the weights of one slot from losses and a Gramian that are there."""
    about = Balancing.choices[method]
    if not about.returns_weights or "jacobian" in about.needs:
        return float("nan")
    draws = torch.Generator().manual_seed(0)
    own = make_balancer([Balancing.of(method)], [str(task) for task in range(tasks)])
    jacobian = torch.randn(1, tasks, 200, generator=draws)
    losses = torch.rand(1, tasks, generator=draws) + 0.1
    seen = StepInputs([Stream(0, "seed/0")], 0, 1, losses, jacobian @ jacobian.mT)
    return median_of(partial(own.weights, seen), 50)


def _against_torchjd(tasks: int, repeats: int) -> pd.DataFrame:
    """Steps of both ways, of so many tasks on the same rows."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = _same_rows(Path(folder), tasks)
        contenders = []
        for method in ("fixed", *RIVALS):
            stack = Stack(prepared, [trial_slot(0, _experiment(prepared, method))])
            contenders.append(Contender(_ours(method, tasks), timed(partial(train, stack)), _ROWS / _BATCH))
            theirs = step_of(tasks, 128, 10, RIVALS[method]() if method in RIVALS else None)
            contenders.append(Contender(_theirs(method, tasks), timed(partial(_times, theirs)), _ROWS / _BATCH))
        for name, work in ((_GRAMIAN, _gramian_of(prepared)), (_JACOBIAN, jacobian_of(tasks, 128, 10))):
            contenders.append(Contender(f"{name}, {tasks} tasks", timed(partial(_times, work)), _ROWS / _BATCH))
        return measuring.take_turns(contenders, repeats, warm_ups=1)


def _gramian_of(prepared: Prepared) -> Callable[[], None]:
    """The heads' gradients and the Gramian of one batch, after a forward pass."""
    slot = trial_slot(0, _experiment(prepared, "upgrad"))
    network = build_network(prepared, [slot.experiment])
    network.initialise([slot.stream])
    losses = TaskLosses({name: loss_of(it) for name, it in slot.experiment.tasks.items()}, 1)
    batch = next(iter(Batches(prepared, [prepared.split("train")], _BATCH, "longest").epoch([slot.data_stream], 0)))
    logits = network.forward(batch.inputs, Pass({}, [slot.stream], 0, 0, apart=True))
    gradients = TaskGradients(network)

    def work() -> None:
        gradients.take(losses.slopes(logits, batch.targets))
        gradients.gramian()

    return work


def _times(step: Callable[[], None]) -> None:
    for _ in range(_ROWS // _BATCH):
        step()


def _ratios(table: pd.DataFrame, tasks: int) -> pd.DataFrame:
    rows = {}
    for method in ("fixed", *RIVALS):
        ours, theirs = _ours(method, tasks), _theirs(method, tasks)
        medians = measuring.summary(table, "cpu_seconds")["median"] * 1e6
        rows[f"{method}, {tasks} tasks"] = {
            "ours, us": medians[ours],
            "TorchJD, us": medians[theirs],
            "ratio": measuring.ratio(table, ours, theirs, "cpu_seconds"),
            "ours of equal weights": measuring.ratio(table, ours, _ours("fixed", tasks), "cpu_seconds"),
            "weighting alone, us": _weighting(method, tasks) * 1e6,
        }
    gramian, jacobian = (f"{name}, {tasks} tasks" for name in (_GRAMIAN, _JACOBIAN))
    rows[f"Gramian and Jacobian, {tasks} tasks"] = {
        "ours, us": measuring.summary(table, "cpu_seconds")["median"][gramian] * 1e6,
        "TorchJD, us": measuring.summary(table, "cpu_seconds")["median"][jacobian] * 1e6,
        "ratio": measuring.ratio(table, gramian, jacobian, "cpu_seconds"),
    }
    return pd.DataFrame(rows).T


def _same_rows(folder: Path, tasks: int) -> Prepared:
    """Random images of 784 bytes with so many random classes each."""
    draws = np.random.default_rng(0)
    np.save(folder / inputs_file("rows", "train"), draws.integers(0, 256, (_ROWS, 784), dtype=np.uint8))
    names = [f"task{number}" for number in range(tasks)]
    for name in names:
        np.save(folder / labels_file(name, "train"), draws.integers(0, 10, _ROWS))
    classes = tuple(str(number) for number in range(10))
    return Prepared(
        folder,
        {"rows": PreparedSource((28, 28), 255.0, {"train": _ROWS})},
        {name: PreparedTask("multiclass", "rows", classes) for name in names},
    )


def _experiment(prepared: Prepared, method: str) -> Experiment:
    tasks = {name: {"kind": "multiclass", "source": "rows"} for name in prepared.tasks}
    # In epochs, so that a stretch of training is one of them.
    own = {"data": {"validation": 0.0}, "training": {"early_stopping": None, "batch_size": _BATCH, "epochs": 1000}}
    given = {"name": "rows", "tasks": tasks, "balancing": {"method": method}, "tuning": None, **own}
    return Experiment.model_validate(given)


def _named(method: str, tasks: int, models: int) -> str:
    return f"{method}, {tasks} tasks, stack of {models}"


def _ours(method: str, tasks: int) -> str:
    return f"{method}, {tasks} tasks"


def _theirs(method: str, tasks: int) -> str:
    return f"TorchJD's {method}, {tasks} tasks"


if __name__ == "__main__":
    main()
