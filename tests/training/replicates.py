"""Random data as several replicates see them, each with a split, statistics and files of its own."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.data.prepared import Prepared, PreparedTask
from tests.training.made import random_data

Make = Callable[..., Prepared]


def in_replicates(
    folder: Path, tasks: Mapping[str, tuple[str, str, int]], count: int = 3, make: Make = random_data, **more: Any
) -> Prepared:
    """So many data sets as replicates of one; the data for the network that is put to use are those of the first.

    Args:
        folder: Where they go.
        tasks: See `random_data`.
        count: How many.
        make: Makes one.
        more: What it is given.
    """
    replicates = []
    for number in range(count):
        (own := folder / str(number)).mkdir(parents=True)
        made = make(own, tasks, seed=number, **more)
        about = {name: _in_own_unit(task, number) for name, task in made.tasks.items()}
        replicates.append(replace(made, tasks=about))
    return replace(replicates[0], replicates=tuple(replicates))


def _in_own_unit(task: PreparedTask, number: int) -> PreparedTask:
    """A regression task with mean, deviation and range as another split has them."""
    if task.kind != "regression":
        return task
    mean, std = 10.0 + number, 2.0 + 0.1 * number
    return replace(task, mean=mean, std=std, low=mean - std, high=mean + 1.5 * std)
