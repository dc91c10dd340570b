"""Microseconds that one model needs for one training step: our stack, a plain torch loop, and the floor under both.

All contenders train the flagship's network (784-128-10 for two sources, dropout, Adam) on random data of its shape,
one after the other in every repeat, so that a busy moment of the machine falls on all of them; times are those of the
process's one thread, not of its neighbours on the machine. The floor is what no program can save: the matrix products
of the step and torch's fused Adam on the same number of parameters. Ratios are medians over the repeats.

    python benchmarks/stack.py [--repeats 15] [--steps 20]
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from pipeline.config import Experiment, load
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, inputs_file, labels_file
from pipeline.training.numerics import settle
from pipeline.training.slot import seed_slots, trial_slot
from pipeline.training.stack import Stack

_TASKS = {"mnist": "mnist", "fashion": "fashion_mnist"}
_FEATURES, _WIDTH, _CLASSES, _BATCH = 784, 128, 10, 64


@dataclass
class Contender:
    """Something to time.

    Attributes:
        models: Trained at the same time.
        epoch: Does the steps of one epoch with all of them.
        floor: Name of the contender to divide by.
    """

    models: int
    epoch: Callable[[], object]
    floor: str


@click.command()
@click.option("--repeats", default=15, show_default=True)
@click.option("--steps", default=20, show_default=True, help="Steps of an epoch.")
def main(repeats: int, steps: int) -> None:
    """Time all contenders in turn and print a line for each."""
    settle()
    with tempfile.TemporaryDirectory() as folder:
        prepared = _random_data(Path(folder), steps * _BATCH)
        contenders = _contenders(prepared, steps)
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for repeat in range(repeats + 1):  # the first one warms up
            for name, it in contenders.items():
                start = time.process_time()
                it.epoch()
                if repeat:
                    times[name].append((time.process_time() - start) / steps / it.models * 1e6)
    _print(contenders, times)


def _contenders(prepared: Prepared, steps: int) -> dict[str, Contender]:
    off = {"data.validation": 0.0, "training.early_stopping": None, "tuning": None, "training.epochs": 1000}
    experiment = load("mnist_fashion", off, Path(__file__).parents[1])
    found = {
        "torch.nn, Adam": Contender(1, _module(prepared, fused=False), "floor of 1"),
        "torch.nn, fused Adam": Contender(1, _module(prepared, fused=True), "floor of 1"),
    }
    for models in (1, 8, 16):
        found[f"floor of {models}"] = Contender(models, _floor(models, steps), f"floor of {models}")
        trials = Stack(prepared, [trial_slot(number, experiment) for number in range(models)])
        found[f"stack of {models}, one batch"] = Contender(models, trials.epoch, f"floor of {models}")
    seeds = Stack(prepared, seed_slots(_with_seeds(experiment, 8)))
    found["stack of 8, own batches"] = Contender(8, seeds.epoch, "floor of 8")
    return found


def _with_seeds(experiment: Experiment, seeds: int) -> Experiment:
    training = experiment.training.model_copy(update={"seeds": seeds})
    return experiment.model_copy(update={"training": training})


def _module(prepared: Prepared, fused: bool) -> Callable[[], None]:
    """The step as one writes it by hand in torch, all data in memory."""
    split = prepared.split("train")
    inputs = [torch.from_numpy(split.inputs[source]) for source in _TASKS.values()]
    labels = [torch.from_numpy(split.labels[task]) for task in _TASKS]
    trunk = nn.Sequential(nn.Linear(_FEATURES, _WIDTH), nn.ReLU(), nn.Dropout(0.5))
    heads = nn.ModuleList(nn.Linear(_WIDTH, _CLASSES) for _ in _TASKS)
    optimizer = torch.optim.Adam([*trunk.parameters(), *heads.parameters()], fused=fused)

    def epoch() -> None:
        for rows in _rows([len(x) for x in inputs]):
            x = torch.cat([x[where].float() / 255 for x, where in zip(inputs, rows, strict=True)])
            hidden = trunk(x).split(_BATCH)
            losses = [
                nn.functional.cross_entropy(head(part), y[where])
                for head, part, y, where in zip(heads, hidden, labels, rows, strict=True)
            ]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()

    return epoch


def _rows(counts: list[int]) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(torch.randperm(count).split(_BATCH) for count in counts), strict=True)


def _floor(models: int, steps: int) -> Callable[[], None]:
    """The products of forward and backward, and the update, of so many models that share a batch."""
    x = torch.rand(2 * _BATCH, _FEATURES)
    hidden, back = torch.rand(2 * _BATCH, _WIDTH), torch.rand(2 * _BATCH, _WIDTH)
    logits = torch.rand(_BATCH, _CLASSES)
    trunk, head = _WIDTH * _FEATURES, _CLASSES * _WIDTH
    rows = [torch.rand(models, trunk + _WIDTH + 2 * (head + _CLASSES)).unbind() for _ in range(4)]
    done = [torch.zeros(()) for _ in range(models)]

    def products(value: Tensor, grad: Tensor) -> None:
        torch.mm(x, value[:trunk].view(_WIDTH, _FEATURES).t(), out=hidden)
        torch.mm(back.t(), x, out=grad[:trunk].view(_WIDTH, _FEATURES))
        for part, start in ((0, trunk), (_BATCH, trunk + head)):
            weight, dweight = (row[start : start + head].view(_CLASSES, _WIDTH) for row in (value, grad))
            here = slice(part, part + _BATCH)
            torch.mm(hidden[here], weight.t(), out=logits)
            torch.mm(logits.t(), hidden[here], out=dweight)
            torch.mm(logits, weight, out=back[here])

    def epoch() -> None:
        for _ in range(steps):
            for k in range(models):
                products(rows[0][k], rows[1][k])
            for k in range(models):
                adam(
                    *([row[k]] for row in rows), [], [done[k]], fused=True, amsgrad=False, beta1=0.9, beta2=0.999,
                    lr=0.0, weight_decay=0.0, eps=1e-8, maximize=False,
                )  # fmt: skip

    return epoch


def _random_data(folder: Path, rows: int) -> Prepared:
    """Prepared arrays of random bytes and labels, so many training rows a source."""
    draws = np.random.default_rng(0)
    for task, source in _TASKS.items():
        np.save(folder / inputs_file(source, "train"), draws.integers(0, 256, (rows, _FEATURES), dtype=np.uint8))
        np.save(folder / labels_file(task, "train"), draws.integers(0, _CLASSES, rows))
    classes = tuple(str(number) for number in range(_CLASSES))
    sources = {source: PreparedSource((_FEATURES,), 255.0, {"train": rows}) for source in _TASKS.values()}
    return Prepared(
        folder, sources, {task: PreparedTask("multiclass", source, classes) for task, source in _TASKS.items()}
    )


def _print(contenders: dict[str, Contender], times: dict[str, list[float]]) -> None:
    """Least and median microseconds a model and step, and the median ratio to the floor of the same repeat."""
    print(f"{'':24} {'min us':>8} {'median us':>10} {'x floor':>8}")
    for name, it in contenders.items():
        ratio = statistics.median(a / b for a, b in zip(times[name], times[it.floor], strict=True))
        print(f"{name:24} {min(times[name]):8.0f} {statistics.median(times[name]):10.0f} {ratio:8.2f}")


if __name__ == "__main__":
    main()
