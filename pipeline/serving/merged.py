"""Several networks as one model: described as one network whose trunks are theirs, as if tasks shared nothing.

A network is its spec, see `served_model`, and its tensors by name.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

Spec = dict[str, Any]


def merged(networks: Sequence[tuple[Spec, dict[str, Tensor]]]) -> tuple[Spec, dict[str, Tensor]]:
    """One spec and its tensors; of one network they are its own.

    Of several the spec has `slots`, the slot of each task, instead of `slot`. Tasks and sources are in the order of
    their names, as everywhere in a saved network, so that answers have the same columns in the same order whatever
    number of networks they come from.

    Raises:
        ValueError: Two networks answer one task, read sources of one name that differ, or one is given a preference.
    """
    if len(networks) == 1:
        return networks[0]
    parts = [_with_own_names(spec, tensors) for spec, tensors in networks]
    specs = [spec for spec, _ in parts]
    tasks = [task for spec in specs for task in spec["tasks"]]
    if twice := [task for place, task in enumerate(tasks) if task in tasks[:place]]:
        raise ValueError(f"task '{twice[0]}' is answered by two of the networks: a model has one network a task")
    network = {
        "branches": [branch for spec in specs for branch in spec["network"]["branches"]],
        "source_of": _joined(spec["network"]["source_of"] for spec in specs),
    }
    if any(layer["kind"] == "preference" for branch in network["branches"] for layer in branch["trunk"]):
        raise ValueError("a network that is given a preference is a model of its own: it cannot be put beside others")
    spec = {
        "network": network,
        "slots": _joined(dict.fromkeys(spec["tasks"], spec["slot"]) for spec in specs),
        "sources": _joined(spec["sources"] for spec in specs),
        "tasks": _joined(spec["tasks"] for spec in specs),
    }
    return spec, {name: tensor for _, tensors in parts for name, tensor in tensors.items()}


def _with_own_names(spec: Spec, tensors: Mapping[str, Tensor]) -> tuple[Spec, dict[str, Tensor]]:
    """The same network, each of whose trunks is called by its first task; a head has its task's name already."""
    branches = spec["network"]["branches"]
    names = {branch["name"]: f"trunk.{next(iter(branch['heads']))}" for branch in branches}
    renamed = [branch | {"name": names[branch["name"]]} for branch in branches]
    network = spec["network"] | {"branches": renamed}
    return spec | {"network": network}, {_renamed(name, names): tensor for name, tensor in tensors.items()}


def _renamed(tensor: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        if tensor.startswith(f"{old}."):
            return new + tensor.removeprefix(old)
    return tensor


def _joined(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """All that is known by name, in the order of the names.

    Raises:
        ValueError: A name stands for two things: of tasks there are no two of one name, so it is a source.
    """
    found: dict[str, Any] = {}
    for name, it in (pair for part in parts for pair in part.items()):
        if found.setdefault(name, it) != it:
            raise ValueError(f"source '{name}' is not the same in all networks: they were trained on other data")
    return dict(sorted(found.items()))
