"""Model-epochs a second on a GPU, by the number of models trained together, against the usual script on the same GPU.

Of each size three ways take turns: each step a CUDA graph that is replayed, the same without graphs, and with graphs in
which torch.compile has fused the optimizer's update. The share of the roofline is what the step's products at the
measured peak and the optimizer's traffic at the measured bandwidth would take, of what the step took.

    python -m benchmarks.gpu [--data FOLDER]
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import click
import pandas as pd
import torch
from torch.utils.data import DataLoader

from benchmarks.common import machine, measuring, results
from benchmarks.common.data import data_folder
from benchmarks.common.measuring import Contender, Spent, timed
from benchmarks.common.options import shared
from benchmarks.networks import Case, flagship, precisions
from benchmarks.one_model import MEMORY, SCRIPT
from benchmarks.rivals.in_memory import tensors, train_epoch as memory_epoch
from benchmarks.rivals.usual import BATCH, SharedNetwork, torchvision_sets, train_epoch as script_epoch
from pipeline.config import with_values
from pipeline.stacked import On
from pipeline.training.loop import advance
from pipeline.training.numerics import settle
from pipeline.training.optim.batched import BatchedOptimizer
from pipeline.training.slot import trial_slot
from pipeline.training.stack.stack import Stack

SIZES = (1, 8, 64, 256, 1024)
GRAPHS, PLAIN, COMPILED = "graphs", "no graphs", "graphs, compiled update"
_TOUCHED = 7 * 4  # bytes that Adam reads and writes of each value: value, both moments, and the gradient read
_EVEN = (1.0, 1.0)


@click.command()
@shared(repeats=3)
@click.option("--steps", default=200, show_default=True, help="Of the script, in a turn.")
def main(data: Path | None, repeats: int, quick: bool, folder: Path, steps: int) -> None:
    """Train stacks of every size on the GPU, or say that there is none."""
    if not torch.cuda.is_available():
        click.echo("no GPU here that torch can use: nothing is measured")
        return
    settle()
    sizes = SIZES[:2] if quick else SIZES
    with data_folder(data, (1000, 200) if quick else (60_000, 10_000)) as found, flagship(found) as case:
        peaks = {kind: _peak(getattr(torch, kind)) for kind in precisions()}
        about: dict[str, Any] = {
            "machine": machine.describe(),
            "gpu": torch.cuda.get_device_name(),
            "data": found.in_words,
        }
        about |= {"bandwidth": _bandwidth(), "peak": peaks}
        steps = min(steps, case.steps)
        parts = [
            measuring.take_turns([*_rivals(case, steps), *_ours(case, models)], 1 if quick else repeats, warm_ups=3)
            for models in sizes
        ]
        table = _with_roofline(pd.concat(parts), case, about)
    click.echo(_shown(table))
    figure = results.bars(table, "model_epochs_per_s", "Training on a GPU", "model-epochs a second")
    results.save("gpu", table, about, figure, folder)


def _rivals(case: Case, steps: int) -> Iterator[Contender]:
    """One model, as usual, on the GPU."""
    epoch = case.steps
    network, adam = _network()
    loaders = [_OnGpu(DataLoader(it, BATCH, shuffle=True)) for it in torchvision_sets(case.prepared, "train")]
    script: Callable[[], None] = partial(script_epoch, network, adam, loaders, _EVEN, steps)  # type: ignore[arg-type]
    yield Contender(SCRIPT, _synchronised(script), steps / epoch)
    network, adam = _network()
    inputs, labels = ([it.cuda() for it in rows] for rows in tensors(case.prepared, "train"))
    yield Contender(MEMORY, _synchronised(partial(memory_epoch, network, adam, (inputs, labels), _EVEN)))


def _ours(case: Case, models: int) -> Iterator[Contender]:
    for kind in precisions():
        experiment = with_values(case.experiment, {"precision": kind})
        for way in (GRAPHS, PLAIN, COMPILED):
            stack = Stack(
                case.prepared,
                [trial_slot(number, experiment) for number in range(models)],
                on=On.named("cuda"),
            )
            if way == PLAIN:
                stack.graphs = None
            run = _synchronised(partial(advance, stack), compiled=way == COMPILED)
            told = {"models": models, "precision": kind, "way": way}
            yield Contender(f"{models}, {kind}, {way}", partial(_telling, run, told), models)


def _synchronised(epoch: Callable[[], object], compiled: bool = False) -> Callable[[], Spent]:
    """A turn that ends when the GPU has done all."""

    def work() -> None:
        torch.cuda.synchronize()
        fused = mock.patch.object(BatchedOptimizer, "step", _fused_step) if compiled else nullcontext()
        with fused:
            epoch()
        torch.cuda.synchronize()

    return timed(work)


_fused_step = torch.compile(BatchedOptimizer.step, dynamic=True)


def _telling(run: Callable[[], Spent], told: dict[str, Any]) -> Spent:
    spent = run()
    return Spent(spent.seconds, spent.cpu_seconds, told)


def _network() -> tuple[SharedNetwork, torch.optim.Adam]:
    network = SharedNetwork(0.5).cuda()
    return network, torch.optim.Adam(network.parameters(), lr=1e-3)


class _OnGpu:
    """A loader whose batches are sent to the GPU, as the usual script sends them."""

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Sequence[torch.Tensor]]:
        return ([it.cuda() for it in batch] for batch in self._loader)


def _with_roofline(table: pd.DataFrame, case: Case, about: dict[str, Any]) -> pd.DataFrame:
    """With model-epochs a second, times the script, and the share of the roofline."""
    table["model_epochs_per_s"] = 1.0 / table["seconds"]
    script = table.loc[table["name"] == SCRIPT, "seconds"].median()
    table["times_script"] = script / table["seconds"]
    products = case.steps * case.flops / table["precision"].map(about["peak"])
    updates = case.steps * case.parameters * _TOUCHED / about["bandwidth"]
    table["of_roofline"] = (products + updates) / table["seconds"]
    return table


def _peak(kind: torch.dtype) -> float:
    """The best floating-point operations a second of large square products."""
    a, b = (torch.rand(8192, 8192, device="cuda").to(kind) for _ in range(2))
    return 2.0 * 8192**3 / _best(lambda: torch.mm(a, b))


def _bandwidth() -> float:
    """The best bytes a second of a large copy, read and written."""
    a, b = (torch.empty(2**28, device="cuda") for _ in range(2))
    return 2.0 * a.nbytes / _best(lambda: b.copy_(a))


def _best(work: Callable[[], object], tries: int = 10) -> float:
    found = []
    for _ in range(tries):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    return min(found)


def _shown(table: pd.DataFrame) -> str:
    columns = ["model_epochs_per_s", "times_script", "of_roofline"]
    return str(table.groupby("name", sort=False)[columns].median().round(2).to_string())


if __name__ == "__main__":
    main()
