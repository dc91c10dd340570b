"""`model.safetensors`: the kept weights of all slots and what rebuilds their networks; no pickle, no run ids.

Slots whose networks have another shape than the first lie in files of their own, `model-1.safetensors` and so on, one a
shape. Tensors are named `<layer>.<parameter>` and stacked [K, *shape]. The one metadata entry, `headway`, is JSON:
`network` (layers, as `Network.describe` gives them), `slots` (names in order), `tasks`, `sources`, and `thresholds` of
multilabel tasks [K][L].
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.model import Network
from pipeline.serving.specification import SourceSpec, TaskSpec
from pipeline.training.slot import SlotState
from pipeline.training.stack.network import build_network
from pipeline.training.thresholds import thresholds

FILE = "model.safetensors"
_ENTRY = "headway"


@dataclass(frozen=True)
class Saved:
    """Slots whose networks have one shape, as they were saved.

    Attributes:
        network: Theirs, as one stack.
        slots: Their names.
        places: Which of all slots they are.
        thresholds: Of multilabel tasks, [K][L].
    """

    network: Network
    slots: list[str]
    places: list[int]
    thresholds: dict[str, list[list[float]]]


def save(
    folder: Path,
    prepared: Prepared,
    experiments: Sequence[Experiment],
    states: Sequence[SlotState],
    folds: Sequence[int | None] | None = None,
) -> list[Path]:
    """Write the kept rows of these slots, in this order.

    Args:
        folder: Where the files go.
        prepared: The data, seen through the tasks that were trained.
        experiments: The settings that each slot was trained with.
        states: Of the slots.
        folds: What each holds out, see `thresholds`; by default nothing.

    Returns:
        The files, one for each shape of networks: most often one.
    """
    slots, paths = list(zip(experiments, states, folds or [None] * len(states), strict=True)), []
    for number, places in enumerate(_alike(prepared, experiments)):
        paths.append(folder / _file(number))
        _save(paths[-1], prepared, [slots[place] for place in places])
    return paths


def files(folder: Path) -> dict[Path, list[str]]:
    """The files that were saved in a folder, each with the names of its slots."""
    paths = takewhile(Path.exists, (folder / _file(number) for number in count()))
    return {path: list(about(path)["slots"]) for path in paths}


def file_of(folder: Path, slot: str) -> Path:
    """The file that holds a slot.

    Raises:
        ValueError: None does.
    """
    slots_by_file = files(folder)
    for path, slots in slots_by_file.items():
        if slot in slots:
            return path
    raise ValueError(f"{folder} has no slot '{slot}'; it has {', '.join(chain.from_iterable(slots_by_file.values()))}")


def about(path: Path) -> dict[str, Any]:
    """The metadata of a file."""
    with safe_open(path, framework="pt") as file:
        metadata: dict[str, Any] = json.loads(file.metadata()[_ENTRY])
    return metadata


def load_networks(folder: Path, prepared: Prepared, experiments: Mapping[str, Experiment]) -> Iterator[Saved]:
    """The networks of all slots, those of one shape at a time.

    Args:
        folder: Where they were saved.
        prepared: The data, seen through the tasks that were trained.
        experiments: The settings that each slot was trained with, by its name, in the order of all slots.
    """
    names = list(experiments)
    for path, slots in files(folder).items():
        network = _load(path, prepared, [experiments[slot] for slot in slots])
        yield Saved(network, slots, [names.index(slot) for slot in slots], about(path)["thresholds"])


def load_network(path: Path, prepared: Prepared, experiment: Experiment) -> tuple[Network, list[str]]:
    """The networks of all slots of a file as one stack, and the slots' names.

    Args:
        path: The file.
        prepared: The data, seen through the tasks that were trained.
        experiment: The settings they were trained with; to predict, those of any of them will do.
    """
    slots: list[str] = about(path)["slots"]
    return _load(path, prepared, [experiment] * len(slots)), slots


def _load(path: Path, prepared: Prepared, experiments: Sequence[Experiment]) -> Network:
    network = build_network(prepared, experiments)
    network.load(load_file(path))
    return network


def _file(number: int) -> str:
    return f"model-{number}.safetensors" if number else FILE


def _alike(prepared: Prepared, experiments: Sequence[Experiment]) -> list[list[int]]:
    """The places of slots whose networks have the same shape, in the order of the first of each."""
    distinct = [it for place, it in enumerate(experiments) if it not in experiments[:place]]
    if len(distinct) == 1:  # most often, and a network may be long in building
        return [[*range(len(experiments))]]
    shapes = [json.dumps(build_network(prepared, [it]).describe(), sort_keys=True) for it in distinct]
    alike: dict[str, list[int]] = {}
    for place, it in enumerate(experiments):
        alike.setdefault(shapes[distinct.index(it)], []).append(place)
    return list(alike.values())


def _save(path: Path, prepared: Prepared, slots: Sequence[tuple[Experiment, SlotState, int | None]]) -> None:
    """Write slots whose networks have one shape: settings, states, and what each holds out."""
    experiments, states, folds = zip(*slots, strict=True)
    network = build_network(prepared, experiments)
    rows = [np.stack([state.arrays[f"best.{name}"] for state in states]) for name in ("values", "buffers")]
    values, buffers = (torch.from_numpy(row) for row in rows)
    network.bind(values, buffers)
    metadata = {
        "network": network.describe(),
        "slots": [state.name for state in states],
        "tasks": {name: TaskSpec.of(vars(task)).json() for name, task in prepared.tasks.items()},
        "thresholds": thresholds(network, prepared, folds),
        "sources": {name: SourceSpec.of(vars(it)).json() for name, it in prepared.sources.items()},
    }
    # One entry only: safetensors writes several in an order that changes from process to process.
    save_file(network.named(values, buffers), path, metadata={_ENTRY: json.dumps(metadata, sort_keys=True)})
