"""`model.safetensors`: the kept weights of all slots and what rebuilds their networks; no pickle, no run ids.

Slots whose networks have another shape than the first, or learn from another replicate's rows, lie in files of their
own, `model-1.safetensors` and so on. Tensors are named `<layer>.<parameter>` and stacked [K, *shape]. The one metadata
entry, `headway`, is JSON: `network` (layers, as `Network.describe` gives them), `slots` (names in order), `tasks`,
`sources`, and `thresholds` of multilabel tasks [K][L].
"""

import json
from collections.abc import Hashable, Iterator, Sequence
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
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack.network import build_network
from pipeline.training.thresholds import thresholds

FILE = "model.safetensors"
_ENTRY = "headway"


@dataclass(frozen=True)
class Networks:
    """Networks of one shape that see the same rows, as they were saved.

    Attributes:
        network: All of them as one stack, K slots.
        prepared: The data as they see them.
        slots: Theirs.
        places: Which of all slots they are.
        thresholds: Of multilabel tasks, [K][L].
    """

    network: Network
    prepared: Prepared
    slots: list[Slot]
    places: list[int]
    thresholds: dict[str, list[list[float]]]

    @property
    def experiment(self) -> Experiment:
        """What the first of them was trained with: what shapes a network is that of all."""
        return self.slots[0].experiment


def save(folder: Path, prepared: Prepared, slots: Sequence[Slot], states: Sequence[SlotState]) -> list[Path]:
    """Write the kept rows of these slots, in this order.

    Args:
        folder: Where the files go.
        prepared: The data, seen through the tasks that were trained.
        slots: What was trained.
        states: Of the slots.

    Returns:
        The files, one for each shape of networks and each replicate: of one split most often one.
    """
    paths = []
    for number, places in enumerate(_alike(prepared, slots)):
        paths.append(folder / _file(number))
        _save(paths[-1], prepared, [slots[place] for place in places], [states[place] for place in places])
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


def load_networks(folder: Path, prepared: Prepared, slots: Sequence[Slot]) -> Iterator[Networks]:
    """The networks of all slots, those that have one shape and see the same rows at a time.

    Args:
        folder: Where they were saved.
        prepared: The data, seen through the tasks that were trained.
        slots: All of them, as they were trained.
    """
    places = {slot.name: place for place, slot in enumerate(slots)}
    for path, names in files(folder).items():
        named, thresholds_of = load_file(path), about(path)["thresholds"]
        for rows in _same_view([slots[places[name]] for name in names]):
            own = [slots[places[names[row]]] for row in rows]
            seen = prepared.view(own[0].replicate, own[0].fold)
            network = build_network(seen, [slot.experiment for slot in own])
            network.load({name: it[rows] for name, it in named.items()} if len(own) < len(names) else named)
            found = {task: [each[row] for row in rows] for task, each in thresholds_of.items()}
            yield Networks(network, seen, own, [places[slot.name] for slot in own], found)


def load_network(path: Path, prepared: Prepared, experiment: Experiment) -> tuple[Network, list[str]]:
    """The networks of all slots of a file as one stack, and the slots' names.

    Args:
        path: The file.
        prepared: The data, seen through the tasks that were trained.
        experiment: The settings they were trained with; to predict, those of any of them will do.
    """
    slots: list[str] = about(path)["slots"]
    network = build_network(prepared, [experiment] * len(slots))
    network.load(load_file(path))
    return network, slots


def _file(number: int) -> str:
    return f"model-{number}.safetensors" if number else FILE


def _alike(prepared: Prepared, slots: Sequence[Slot]) -> list[list[int]]:
    """The places of slots whose networks have the same shape and replicate, in the order of the first of each."""
    experiments = [slot.experiment for slot in slots]
    distinct = [it for place, it in enumerate(experiments) if it not in experiments[:place]]
    shapes = [""]
    if len(distinct) > 1:  # seldom, and a network may be long in building
        seen = prepared.view(slots[0].replicate, None)
        shapes = [json.dumps(build_network(seen, [it]).describe(), sort_keys=True) for it in distinct]
    return _grouped([(shapes[distinct.index(it.experiment)], it.replicate) for it in slots])


def _same_view(slots: Sequence[Slot]) -> list[list[int]]:
    """The places of slots that see the same rows, in the order of the first of each."""
    return _grouped([(slot.replicate, slot.fold) for slot in slots])


def _grouped(keys: Sequence[Hashable]) -> list[list[int]]:
    """The places of equal keys, in the order of the first of each."""
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return list(places.values())


def _save(path: Path, prepared: Prepared, slots: Sequence[Slot], states: Sequence[SlotState]) -> None:
    """Write slots of one replicate whose networks have one shape."""
    prepared = prepared.view(slots[0].replicate, None)
    network = build_network(prepared, [slot.experiment for slot in slots])
    rows = [np.stack([state.arrays[f"best.{name}"] for state in states]) for name in ("values", "buffers")]
    values, buffers = (torch.from_numpy(row) for row in rows)
    network.bind(values, buffers)
    metadata = {
        "network": network.describe(),
        "slots": [state.name for state in states],
        "tasks": {name: TaskSpec.of(vars(task)).json() for name, task in prepared.tasks.items()},
        "thresholds": thresholds(network, prepared, [slot.fold for slot in slots]),
        "sources": {name: SourceSpec.of(vars(it)).json() for name, it in prepared.sources.items()},
    }
    # One entry only: safetensors writes several in an order that changes from process to process.
    save_file(network.named(values, buffers), path, metadata={_ENTRY: json.dumps(metadata, sort_keys=True)})
