"""The LeNet's training step: ours alone and in a stack of 8, nn.Module in memory, and the floor under both.

The floor is what no such program in torch can leave out: the convolutions, pooling and products of a step, forward and
back, each the fastest call for it that was found on this processor, measured alone, and fused Adam. Times are those of
the one thread that works, a model and step.

    python -m benchmarks.lenet [--data FOLDER] [--repeats N]
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks.common import machine, measuring, results
from benchmarks.common.data import data_folder
from benchmarks.common.measuring import Contender, Spent, median_of, timed
from benchmarks.common.options import shared
from benchmarks.floor import fused_update
from benchmarks.networks import Case, flagship
from benchmarks.rivals.in_memory import tensors, train_epoch
from pipeline.config import with_values
from pipeline.model.layers import Conv2d, Linear, MaxPool2d
from pipeline.training.loop import train
from pipeline.training.numerics import settle
from pipeline.training.slot import trial_slot
from pipeline.training.stack.network import build_network
from pipeline.training.stack.stack import Stack

MODULE = "nn.Module in memory, fused Adam"
FLOOR = "floor"
MODELS = (1, 8)
_CALLS = 20
_aten = torch.ops.aten


@click.command()
@shared(repeats=5)
def main(data: Path | None, repeats: int, quick: bool, folder: Path) -> None:
    """Time a training step of the LeNet, every way in turn."""
    settle()
    about = {"machine": machine.describe()}
    with data_folder(data, (1000, 200) if quick else (6000, 1000)) as found, flagship(found) as plain:
        about |= {"data": found.in_words}
        case = Case(
            "LeNet, two tasks, Adam", with_values(plain.experiment, {"model.trunk.kind": "lenet"}), plain.prepared
        )
        contenders = [Contender(MODULE, _modules(case), case.steps)]
        for models in MODELS:
            stack = Stack(case.prepared, [trial_slot(number, case.experiment) for number in range(models)])
            contenders.append(Contender(_stack(models), _epoch(stack), models * case.steps))
            contenders.append(Contender(_floor(models), Floor(case, models)))
        table = measuring.take_turns(contenders, 1 if quick else repeats)
        click.echo(_shown(table))
    table["us"] = table["cpu_seconds"] * 1e6
    figure = results.bars(table, "us", "A training step of the LeNet", "microseconds a model and step")
    results.save("lenet", table, about, figure, folder)


class Floor:
    """A turn measures everything anew, and tells the seconds of a model and step."""

    def __init__(self, case: Case, models: int) -> None:
        rows = case.experiment.training.batch_size
        network = build_network(case.prepared, [case.experiment])
        both = rows * len(case.prepared.sources)
        self._models, self._calls = models, list[Callable[[], object]]()
        trunk = network.branches[0].trunk
        for layer in trunk:
            self._calls += _calls(layer, both)
        for head in network.branches[0].heads.values():
            self._calls += _calls(head[0], rows)
        self._update = fused_update(network.count(), models)

    def __call__(self) -> Spent:
        """The sum of the medians."""
        products = sum(median_of(call, _CALLS) for call in self._calls)
        updates = median_of(self._update, _CALLS) / self._models
        return Spent(products + updates, products + updates, {"products": products, "updates": updates})


def _calls(layer: object, rows: int) -> list[Callable[[], object]]:
    """What a layer cannot do without: of each pass the fastest way to do it."""
    if isinstance(layer, Conv2d):
        return [_fastest(_convolutions(layer, rows, it)) for it in _passes(layer.first)]
    if isinstance(layer, MaxPool2d):
        return _pooling(layer, rows)
    if isinstance(layer, Linear):
        x, w, g = (
            torch.rand(rows, layer.inputs),
            torch.rand(layer.outputs, layer.inputs),
            torch.rand(rows, layer.outputs),
        )
        y, dw, dx = torch.empty_like(g), torch.empty_like(w), torch.empty_like(x)
        back = [] if layer.first else [partial(torch.mm, g, w, out=dx)]
        return [partial(torch.mm, x, w.t(), out=y), partial(torch.mm, g.t(), x, out=dw), *back]
    return []


def _passes(first: bool) -> tuple[str, ...]:
    return ("forward", "weight") if first else ("forward", "weight", "input")


def _convolutions(layer: Conv2d, rows: int, which: str) -> list[Callable[[], object]]:
    """One pass of a convolution: torch's own in both layouts, and one product with columns that are there already."""
    ways: list[Callable[[], object]] = []
    for layout in (torch.contiguous_format, torch.channels_last):
        x, g = (torch.rand(rows, *shape).to(memory_format=layout) for shape in (layer.shape, layer.answers))
        w = torch.rand(layer.channels, layer.shape[0], layer.window, layer.window).to(memory_format=layout)
        sizes = ([layer.stride] * 2, [layer.padding] * 2, [1, 1], False, [0, 0], 1)
        if which == "forward":
            ways.append(partial(_aten.convolution, x, w, None, *sizes))
        else:
            mask = [which == "input", which == "weight", False]
            ways.append(partial(_aten.convolution_backward, g, x, w, None, *sizes, mask))
    ways.append(_product(layer, rows, which))
    return ways


def _product(layer: Conv2d, rows: int, which: str) -> Callable[[], object]:
    count, windows = layer.shape[0] * layer.window**2, rows * layer.answers[1] * layer.answers[2]
    columns, weight, slopes = (
        torch.rand(*size) for size in ((count, windows), (layer.channels, count), (layer.channels, windows))
    )
    if which == "forward":
        return partial(torch.mm, weight, columns, out=slopes)
    if which == "weight":
        return partial(torch.mm, slopes, columns.t(), out=weight)
    return partial(torch.mm, weight.t(), slopes, out=columns)


def _pooling(layer: MaxPool2d, rows: int) -> list[Callable[[], object]]:
    """Both passes, in the layout with the rows innermost, in which they are fastest."""
    channels, height, width = layer.shape
    x = torch.rand(channels, height, width, rows).permute(0, 3, 1, 2)
    y, places = _aten.max_pool2d_with_indices(x, [layer.window] * 2)
    back = torch.empty_like(x)
    sizes = ([layer.window] * 2, [layer.window] * 2, [0, 0], [1, 1], False)
    return [
        partial(
            _aten.max_pool2d_with_indices.out, x, *sizes[:2], out=torch.empty_like(y), indices=torch.empty_like(places)
        ),
        partial(_aten.max_pool2d_with_indices_backward.grad_input, y, x, *sizes, places, grad_input=back),
    ]


def _fastest(ways: list[Callable[[], object]]) -> Callable[[], object]:
    return min(ways, key=lambda way: median_of(way, _CALLS))


class LeNet(nn.Module):
    """The same network, written the usual way."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(400, 120), nn.ReLU(), nn.Dropout(dropout), nn.Linear(120, 84), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.heads = nn.ModuleList(nn.Linear(84, 10) for _ in range(2))

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        """Both sets' rows through one trunk, each to its own head."""
        parts = self.trunk(torch.cat(inputs).view(-1, 1, 28, 28)).split([len(x) for x in inputs])
        return [head(x) for head, x in zip(self.heads, parts, strict=True)]


def _modules(case: Case) -> Callable[[], Spent]:
    """An epoch of nn.Module, autograd and fused Adam on rows in memory, without counting anything."""
    network = LeNet(case.experiment.model.trunk.dropout).train()
    adam = torch.optim.Adam(network.parameters(), fused=True)
    return timed(partial(train_epoch, network, adam, tensors(case.prepared, "train"), (1.0, 1.0)))


def _epoch(stack: Stack) -> Callable[[], Spent]:
    return timed(partial(train, stack))


def _stack(models: int) -> str:
    return f"stack of {models}"


def _floor(models: int) -> str:
    return f"{FLOOR} of {models}"


def _shown(table: pd.DataFrame) -> str:
    """Least and median microseconds a model and step, and how often the floor each takes."""
    costs = measuring.summary(table, "cpu_seconds") * 1e6
    for models in MODELS:
        floor = _floor(models)
        costs[f"of {floor}"] = [measuring.ratio(table, name, floor, "cpu_seconds") for name in costs.index]
    return costs.round(2).to_string()


if __name__ == "__main__":
    main()
