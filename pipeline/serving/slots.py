"""Networks of slots of saved stacks, one or several, as one model: its specification, and its tensors by name."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from safetensors import safe_open
from torch import Tensor

from pipeline.serving.specification import Specification

METADATA = "headway"
"""The entry that a saved stack and a logged model describe themselves under."""

Slot = tuple[Specification, dict[str, Tensor]]
_Part = TypeVar("_Part")


def one_slot(saved: Path, slot: str) -> Slot:
    """One slot's network; tensors of other slots are not read.

    Raises:
        ValueError: The file has no such slot.
    """
    with safe_open(saved, framework="pt") as file:
        stack = json.loads(file.metadata()[METADATA])
        if slot not in stack["slots"]:
            raise ValueError(f"{saved} has no slot '{slot}'; it has {', '.join(stack['slots'])}")
        place = stack["slots"].index(slot)
        tensors = {name: file.get_slice(name)[place].contiguous() for name in file.keys()}  # noqa: SIM118
    return Specification.of_slot(stack, slot), tensors


def merged(networks: Sequence[Slot]) -> Slot:
    """Several networks as one whose trunks are theirs, as if tasks shared nothing; one is itself.

    Tasks and sources are in the order of their names, as everywhere in a saved network, so that predictions have the
    same columns in the same order whatever number of networks they come from.

    Raises:
        ValueError: Two networks predict one task, read sources of one name that differ, or one is given a preference.
    """
    if len(networks) == 1:
        return networks[0]
    parts = [_with_own_names(*it) for it in networks]
    specs = [spec for spec, _ in parts]
    tasks = [task for spec in specs for task in spec.tasks]
    if twice := [task for place, task in enumerate(tasks) if task in tasks[:place]]:
        raise ValueError(f"task '{twice[0]}' is answered by two of the networks: a model has one network a task")
    if any(spec.preference for spec in specs):
        raise ValueError("a network that is given a preference is a model of its own: it cannot be put beside others")
    spec = Specification(
        [branch for spec in specs for branch in spec.branches],
        _joined(spec.sources for spec in specs),
        _joined(spec.tasks for spec in specs),
        slots=_joined(dict.fromkeys(spec.tasks, spec.slot) for spec in specs),
    )
    return spec, {name: tensor for _, tensors in parts for name, tensor in tensors.items()}


def _with_own_names(spec: Specification, tensors: Mapping[str, Tensor]) -> Slot:
    """The same network, each of whose trunks is called by its first task; a head has its task's name already."""
    names = {branch.name: f"trunk.{next(iter(branch.heads))}" for branch in spec.branches}
    branches = [replace(branch, name=names[branch.name]) for branch in spec.branches]
    return replace(spec, branches=branches), {_renamed(name, names): it for name, it in tensors.items()}


def _renamed(tensor: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        if tensor.startswith(f"{old}."):
            return new + tensor.removeprefix(old)
    return tensor


def _joined(parts: Iterable[Mapping[str, _Part]]) -> dict[str, _Part]:
    """All that is known by name, in the order of the names.

    Raises:
        ValueError: A name stands for two things: of tasks there are no two of one name, so it is a source.
    """
    found: dict[str, _Part] = {}
    for name, it in (pair for part in parts for pair in part.items()):
        if found.setdefault(name, it) != it:
            raise ValueError(f"source '{name}' is not the same in all networks: they were trained on other data")
    return dict(sorted(found.items()))
