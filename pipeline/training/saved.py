"""`model.safetensors`: the kept weights of all slots and what rebuilds their networks; no pickle, no run ids.

Tensors are named `<layer>.<parameter>` and stacked [K, *shape]. The one metadata entry, `headway`, is JSON: `network`
(layers, as `Network.describe` gives them), `slots` (names in order), `tasks`, `sources`, and `thresholds` of multilabel
tasks [K][L].
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask
from pipeline.model import Network
from pipeline.training.slot import SlotState
from pipeline.training.stack import build_network
from pipeline.training.thresholds import thresholds

FILE = "model.safetensors"
_ENTRY = "headway"


def save(
    folder: Path,
    prepared: Prepared,
    experiment: Experiment,
    states: Sequence[SlotState],
    folds: Sequence[int | None] = (None,),
) -> Path:
    """Write the kept rows of these slots, in this order.

    Args:
        folder: Where to.
        prepared: The data, seen through the tasks that were trained.
        experiment: The settings they were trained with.
        states: Of the slots.
        folds: What each holds out, see `thresholds`.

    Returns:
        The file's path.
    """
    network = build_network(prepared, [experiment] * len(states))
    rows = [np.stack([state.arrays[f"best.{name}"] for state in states]) for name in ("values", "buffers")]
    values, buffers = (torch.from_numpy(row) for row in rows)
    network.bind(values, buffers)
    chosen = thresholds(network, prepared, folds)
    about = {
        "network": network.describe(),
        "slots": [state.name for state in states],
        "tasks": {name: _described(task) for name, task in prepared.tasks.items()},
        "thresholds": chosen,
        "sources": {name: _source(it) for name, it in prepared.sources.items()},
    }
    tensors = network.named(values, buffers)
    path = folder / FILE
    # One entry only: safetensors writes several in an order that changes from process to process.
    save_file(tensors, path, metadata={_ENTRY: json.dumps(about, sort_keys=True)})
    return path


def _described(task: PreparedTask) -> dict[str, Any]:
    """What must be known of a task to read its answers."""
    told: dict[str, Any] = {"kind": task.kind, "source": task.source, "classes": list(task.classes)}
    if task.kind != "regression":
        return told
    told |= {"mean": task.mean, "std": task.std}
    return told | ({"low": task.low, "high": task.high} if task.low > -math.inf else {})


def _source(source: PreparedSource) -> dict[str, Any]:
    """What must be known of a source to give its network rows."""
    told: dict[str, Any] = {"shape": list(source.shape), "scale": source.scale}
    told |= {"resized": True} if source.resized else {}
    return told | ({"encoding": source.encoding} if source.encoding else {})


def about(path: Path) -> dict[str, Any]:
    """What the file says of its networks."""
    with safe_open(path, framework="pt") as file:
        said: dict[str, Any] = json.loads(file.metadata()[_ENTRY])
    return said


def load_network(path: Path, prepared: Prepared, experiment: Experiment) -> tuple[Network, list[str]]:
    """The networks of all slots as one stack, and the slots' names.

    Args:
        path: A `model.safetensors`.
        prepared: The data, seen through the tasks that were trained.
        experiment: The settings they were trained with.
    """
    slots: list[str] = about(path)["slots"]
    network = build_network(prepared, [experiment] * len(slots))
    network.load(load_file(path))
    return network, slots
