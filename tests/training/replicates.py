"""Random data as several replicates see them, each with a split, statistics and files of its own."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared, PreparedTask, inputs_file, labels_file, rows_file, shared_file
from pipeline.training.slot import Slot, seed_slots
from tests.training.made import random_data

Make = Callable[..., Prepared]


def in_replicates(
    folder: Path,
    tasks: Mapping[str, Any],
    count: int = 3,
    make: Make = random_data,
    uneven: bool = False,
    **more: Any,
) -> Prepared:
    """So many data sets as replicates of one; the data for the network that is put to use are those of the first.

    Args:
        folder: Where they go.
        tasks: What `make` takes.
        count: How many.
        make: Makes one.
        uneven: The first has a row of validation less than the others.
        more: What `make` is given.
    """
    replicates = []
    for number in range(count):
        (own := folder / str(number)).mkdir(parents=True)
        made = make(own, tasks, seed=number, **more)
        about = {name: _in_own_unit(task, number) for name, task in made.tasks.items()}
        replicates.append(replace(made, tasks=about))
    if uneven:
        replicates[0] = _with_a_row_less(replicates[0])
    return replace(replicates[0], replicates=tuple(replicates))


def sharing_inputs(prepared: Prepared) -> Prepared:
    """The same, with the rows of all replicates in one file of each source, among one another."""
    sources: list[dict[str, Any]] = [{} for _ in prepared.replicates]
    for source in prepared.sources:
        parts = [(it.folder, split) for it in prepared.replicates for split in it.sources[source].rows]
        rows = [np.load(folder / inputs_file(source, split)) for folder, split in parts]
        places = np.random.default_rng(1).permutation(sum(map(len, rows)))
        shared = np.empty((len(places), rows[0].shape[1]), rows[0].dtype)
        shared[places] = np.concatenate(rows)
        file = prepared.folder.parent / shared_file(source)
        np.save(file, shared)
        ends = np.cumsum([len(it) for it in rows])[:-1]
        for (folder, split), own in zip(parts, np.split(places, ends), strict=True):
            np.save(folder / rows_file(source, split), own)
        for own, it in zip(sources, prepared.replicates, strict=True):
            own[source] = replace(it.sources[source], inputs=f"../{file.name}")
    replicates = tuple(replace(it, sources=own) for it, own in zip(prepared.replicates, sources, strict=True))
    return replace(replicates[0], replicates=replicates)


def as_one_split(prepared: Prepared, slot: Slot) -> tuple[Prepared, Slot]:
    """A slot's replicate as data of one split, and the slot that trains on them."""
    assert slot.replicate is not None
    return prepared.replicates[slot.replicate], replace(slot, replicate=None)


def own_seeds(experiment: Experiment, prepared: Prepared) -> list[Slot]:
    """A slot a replicate."""
    return seed_slots(with_values(experiment, {"training.seeds": len(prepared.replicates)}), prepared)


def _in_own_unit(task: PreparedTask, number: int) -> PreparedTask:
    """A regression task with mean, deviation and range as another split has them."""
    if task.kind != "regression":
        return task
    mean, std = 10.0 + number, 2.0 + 0.1 * number
    return replace(task, mean=mean, std=std, low=mean - std, high=mean + 1.5 * std)


def _with_a_row_less(prepared: Prepared) -> Prepared:
    """Without the last row of validation of each source."""
    files = [inputs_file(source, "validation") for source in prepared.sources]
    for file in [*files, *(labels_file(task, "validation") for task in prepared.tasks)]:
        np.save(prepared.folder / file, np.load(prepared.folder / file)[:-1])
    sources = {
        name: replace(it, rows=it.rows | {"validation": it.rows["validation"] - 1})
        for name, it in prepared.sources.items()
    }
    return replace(prepared, sources=sources)
