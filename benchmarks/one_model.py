"""One model's training step: ours alone and in stacks, the usual ways, a step written by hand, and the floor.

Times are those of the one thread that works, a model and step. Ours train whole epochs with all they do in an epoch
(order of the data, training losses and accuracies); evaluation is off everywhere. Slow ways do a part of an epoch.

    python -m benchmarks.one_model [--data FOLDER] [--only TEXT]
"""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch
from torch.utils.data import DataLoader

from benchmarks.common import machine, measuring, results
from benchmarks.common.data import data_folder
from benchmarks.common.measuring import Contender, Spent, timed
from benchmarks.common.options import shared
from benchmarks.floor import floor_of
from benchmarks.networks import Case, deep, flagship, precisions
from benchmarks.rivals.deep import DeepTraining, from_loaders, from_memory
from benchmarks.rivals.hand_written import HandWritten
from benchmarks.rivals.in_memory import tensors, train_epoch as memory_epoch
from benchmarks.rivals.usual import BATCH, SharedNetwork, torchvision_sets, train_epoch as script_epoch
from pipeline.config import with_values
from pipeline.training.loop import advance
from pipeline.training.numerics import settle
from pipeline.training.slot import seed_slots, trial_slot
from pipeline.training.stack.stack import Stack

SCRIPT, MEMORY, HAND = "usual script", "nn.Module in memory, Adam", "written by hand"
_STACKS = {"float32": (1, 8, 16), "bfloat16": (8, 16)}
_EVEN = (1.0, 1.0)


def stack_name(models: int, kind: str = "float32", own: bool = False) -> str:
    """Its line in the table."""
    return f"stack of {models}" + (", own batches" if own else "") + ("" if kind == "float32" else f", {kind}")


@click.command()
@shared(repeats=3)
@click.option("--steps", default=200, show_default=True, help="Of the slow ways, in a turn.")
@click.option("--only", default="", help="Only contenders whose names contain this.")
def main(data: Path | None, repeats: int, quick: bool, folder: Path, steps: int, only: str) -> None:
    """Time a training step of both networks, every way in turn."""
    settle()
    about = {"machine": machine.describe()}
    parts = []
    with data_folder(data, (1000, 200) if quick else (60_000, 10_000)) as found:
        about |= {"data": found.in_words}
        for open_case, ways in ((flagship, _flagship_ways), (deep, _deep_ways)):
            with open_case(found) as case:
                click.echo(case.name)
                every = [*ways(case, 3 if quick else steps), *_ours(case), *_floors(case)]
                contenders = [it for it in every if only in it.name]
                table = measuring.take_turns(contenders, 1 if quick else repeats)
                parts.append(table.assign(network=case.name))
                click.echo(_shown(parts[-1]))
    _save(pd.concat(parts), about, folder)


def _ours(case: Case) -> Iterator[Contender]:
    for kind in precisions():
        experiment = with_values(case.experiment, {"precision": kind})
        for models in _STACKS[kind]:
            stack = Stack(case.prepared, [trial_slot(number, experiment) for number in range(models)])
            yield Contender(stack_name(models, kind), _flushed(partial(advance, stack)), models * case.steps)
    own = Stack(case.prepared, seed_slots(with_values(case.experiment, {"training.seeds": 8}), case.prepared))
    yield Contender(stack_name(8, own=True), _flushed(partial(advance, own)), 8 * case.steps)


def _floors(case: Case) -> Iterator[Contender]:
    for kind in precisions():
        for models in _STACKS[kind]:
            yield floor_of(case, models, getattr(torch, kind))


def _flagship_ways(case: Case, steps: int) -> Iterator[Contender]:
    sets = list(torchvision_sets(case.prepared, "train"))
    network, adam = _with_adam()
    yield Contender(SCRIPT, _as_usual(partial(script_epoch, network, adam, _loaders(sets), _EVEN, steps)), steps)
    if _there("lightning"):
        from benchmarks.rivals.lightning_trainer import LightningTraining

        yield Contender("Lightning's Trainer", _as_usual_spent(LightningTraining(_loaders(sets), steps).epoch), steps)
    if _there("LibMTL"):
        from benchmarks.rivals.libmtl_trainer import LibMTLTraining

        yield Contender("LibMTL's Trainer", _as_usual_spent(LibMTLTraining(sets, steps).epoch), steps)
    rows = tensors(case.prepared, "train")
    for name, fused in ((MEMORY, None), ("nn.Module in memory, fused Adam", True)):
        network, adam = _with_adam(fused)
        yield Contender(name, _as_usual(partial(memory_epoch, network, adam, rows, _EVEN)), case.steps)
    split = case.prepared.split("train")
    inputs = [torch.from_numpy(split.inputs[task.source]) for task in case.prepared.tasks.values()]
    labels = [torch.from_numpy(split.labels[task]) for task in case.prepared.tasks]
    by_hand = HandWritten(inputs, labels)
    yield Contender(HAND, _flushed(by_hand.epoch), len(inputs[0]) // BATCH)


def _deep_ways(case: Case, steps: int) -> Iterator[Contender]:
    several = case.prepared.only(("mnist", "fashion"))
    digits, garments = (loader for loader in _loaders(torchvision_sets(several, "train")))
    rows = tensors(several, "train")
    total = case.steps * case.experiment.training.epochs
    script = DeepTraining(total)
    yield Contender(SCRIPT, _as_usual(lambda: script.epoch(from_loaders((digits, garments), steps))), steps)
    for name, fused in ((MEMORY, None), ("nn.Module in memory, fused Adam", True)):
        training = DeepTraining(total, fused)
        yield Contender(name, _as_usual(partial(_memory_epoch, training, rows)), case.steps)


def _memory_epoch(training: DeepTraining, rows: Any) -> None:
    training.epoch(from_memory(rows))


def _with_adam(fused: bool | None = None) -> tuple[SharedNetwork, torch.optim.Adam]:
    network = SharedNetwork(0.5)
    return network, torch.optim.Adam(network.parameters(), lr=1e-3, fused=fused)


def _loaders(sets: Any) -> list[DataLoader]:
    return [DataLoader(it, BATCH, shuffle=True) for it in sets]


def _flushed(epoch: Callable[[], object]) -> Callable[[], Spent]:
    """A turn with denormals flushed, as ours and the hand-written step have it."""

    def run() -> Spent:
        settle()
        return timed(epoch)()

    return run


def _as_usual(epoch: Callable[[], object]) -> Callable[[], Spent]:
    """A turn as a script has it: torch's own settings, but one thread."""
    return _as_usual_spent(timed(epoch))


def _as_usual_spent(epoch: Callable[[], Spent]) -> Callable[[], Spent]:
    def run() -> Spent:
        torch.set_flush_denormal(False)
        spent = epoch()
        settle()
        return spent

    return run


def _there(package: str) -> bool:
    if importlib.util.find_spec(package) is None:
        click.echo(f"  {package} is not installed: left out")
        return False
    return True


def _shown(table: pd.DataFrame) -> str:
    """Least and median microseconds a model and step, and the medians of the ratios that count."""
    costs = measuring.summary(table, "cpu_seconds") * 1e6
    costs["script x"] = [measuring.ratio(table, SCRIPT, name, "cpu_seconds") for name in costs.index]
    costs["of floor of 8"] = [measuring.ratio(table, name, "floor of 8", "cpu_seconds") for name in costs.index]
    return costs.round(2).to_string()


def _save(table: pd.DataFrame, about: dict[str, Any], folder: Path) -> None:
    table["us"] = table["cpu_seconds"] * 1e6
    drawn = table.assign(name=table["network"].str.split(",").str[0] + ": " + table["name"])
    figure = results.bars(drawn, "us", "A training step", "microseconds a model and step")
    results.save("one_model", table, about, figure, folder)


if __name__ == "__main__":
    main()
