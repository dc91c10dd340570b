"""A slot's network outside a stack, as modules that gradients can be taken through: what the served model is made of.

Legend of shapes: B rows, F values of a row, E values that its embeddings make of them, C outputs of a task.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pipeline.tracking import served_sharing, served_table
from pipeline.tracking.model_package import EMBEDDINGS, add_code, one_slot
from pipeline.tracking.served_model import build


@dataclass(frozen=True)
class Rebuilt:
    """One task's network.

    Attributes:
        source: Whose rows it reads.
        embed: Rows as prepared to what is embedded of them, [B, F] -> [B, E]. Without embeddings it only divides by
            the source's scale, and E is F.
        answer: From there to the task's logits, [B, E] -> [B, C].
        widths: How many of the E values each of the F becomes, in their order.
    """

    source: str
    embed: nn.Sequential
    answer: nn.Sequential
    widths: tuple[int, ...]


def rebuilt(saved: Path, slot: str) -> dict[str, Rebuilt]:
    """The networks of all tasks, which share the modules of their trunk.

    Args:
        saved: A `model.safetensors`.
        slot: Name of the slot.

    Raises:
        ValueError: The file has no such slot.
    """
    spec, tensors = one_slot(saved, slot)
    return _rebuilt(spec, tensors)


def _rebuilt(spec: dict[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Rebuilt]:
    network, found = spec["network"], {}
    embeddings = {task: _embeddings(branch["trunk"]) for branch in network["branches"] for task in branch["heads"]}
    add_code(network, lambda: served_sharing.__name__)
    for branch in network["branches"]:
        branch["trunk"] = [_with_its_class(layer) for layer in branch["trunk"]]
    for trunk in build(spec, tensors):
        for task, head in trunk.heads.items():
            source, own = network["source_of"][task], embeddings[task]
            embed = nn.Sequential(_Divided(trunk.scale), *trunk.layers[: len(own)])
            answer = nn.Sequential(*trunk.layers[len(own) :], *head)
            for module in (embed, answer):
                module.eval().requires_grad_(False)
            found[task] = Rebuilt(source, embed, answer, _widths(spec["sources"][source]["shape"], own))
    return found


def _embeddings(trunk: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The layers in front that embed a row's columns."""
    count = next((place for place, layer in enumerate(trunk) if layer["kind"] not in EMBEDDINGS), len(trunk))
    return [dict(layer) for layer in trunk[:count]]


def _with_its_class(layer: dict[str, Any]) -> dict[str, Any]:
    """A layer, an embedding as the module of `served_table` that it is."""
    if layer["kind"] not in EMBEDDINGS:
        return layer
    name, arguments = EMBEDDINGS[layer["kind"]]
    made_of = {argument: layer[argument] for argument in arguments}
    return {
        "kind": "module", "module": f"{served_table.__name__}:{name}", "arguments": made_of, "shape": layer["shape"]
    }  # fmt: skip


def _widths(shape: list[int], embeddings: list[dict[str, Any]]) -> tuple[int, ...]:
    features = math.prod(shape)
    widths = [1] * features
    for layer in embeddings:
        if layer["kind"] == "number_embedding":
            widths[: layer["numbers"]] = [layer["width"]] * layer["numbers"]
        else:
            widths[features - len(layer["sizes"]) :] = [layer["width"]] * len(layer["sizes"])
    return tuple(widths)


class _Divided(nn.Module):
    """Rows divided by their source's scale."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x / self.scale
