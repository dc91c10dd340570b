"""A slot's network outside a stack, as a module that gradients can be taken through: what the served model is made of.

Legend of shapes: B rows, F values of a row, T tokens of a text, t of the longest at hand, E values that are embedded of
a row, C outputs of a task.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pipeline.serving import served_preference, served_sharing, served_table, served_text
from pipeline.serving.package import EMBEDDINGS, OWN_MODULES, add_code, as_module, is_table, one_slot
from pipeline.serving.served_model import build
from pipeline.serving.served_text import is_text

_MADE_BY = {"served_sharing": served_sharing.__name__, "served_preference": served_preference.__name__}


@dataclass(frozen=True)
class Rebuilt:
    """One task's network.

    Attributes:
        source: Whose rows it reads.
        network: Rows as prepared to the task's logits, [B, F] -> [B, C]; of a tagging task those of each token in turn,
            [B, T * C].
        embedded: The part of it that embeds rows, [B, F] -> [B, E], or of a text [B, t, E / T]. Without embeddings it
            only divides by the source's scale, and E is F. None where nothing stands between the network and numbers
            that are codes: under a trunk of one's own that reads text, or categories.
        widths: How many of the E values each of the F becomes, in their order; a token's are counted to its first.
    """

    source: str
    network: nn.Module
    embedded: nn.Module | None
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
    described = {task: list(branch["trunk"]) for branch in network["branches"] for task in branch["heads"]}
    add_code(network, _MADE_BY.__getitem__)
    for branch in network["branches"]:
        branch["trunk"] = [_with_its_class(layer) for layer in branch["trunk"]]
        branch["heads"] = {task: [_with_its_class(layer) for layer in it] for task, it in branch["heads"].items()}
    for trunk in build(spec, tensors):
        for task, head in trunk.heads.items():
            name = network["source_of"][task]
            source, front = spec["sources"][name], _embeddings(described[task])
            first = nn.Sequential(_Divided(trunk.scale), *trunk.layers[: len(front)])
            layers = [first, *trunk.layers[len(front) :], *head]
            if spec["tasks"][task]["kind"] == "tagging":
                layers += [nn.Unflatten(0, (-1, source["shape"][0])), nn.Flatten()]
            whole = nn.Sequential(*layers).eval().requires_grad_(False)
            embedded = _embedded(source, described[task], whole)
            widths = _widths(source, described[task]) if embedded is not None else (1,) * math.prod(source["shape"])
            found[task] = Rebuilt(name, whole, embedded, widths)
    return found


def _embedded(source: Mapping[str, Any], trunk: list[dict[str, Any]], network: nn.Sequential) -> nn.Module | None:
    """The part of a network that embeds rows of a source."""
    if is_text(source):
        ours = str(trunk[0].get("module")).startswith(f"{OWN_MODULES}text:")
        return network[1].get_submodule("module.embedded") if ours else None
    codes = is_table(source) and source["encoding"].get("categories")
    return network[0] if not codes or _embeddings(trunk) else None


def _embeddings(trunk: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The layers in front that embed a row's columns."""
    count = next((place for place, layer in enumerate(trunk) if layer["kind"] not in EMBEDDINGS), len(trunk))
    return [dict(layer) for layer in trunk[:count]]


def _with_its_class(layer: dict[str, Any]) -> dict[str, Any]:
    """A layer, one of our own files as the module that it is there."""
    return as_module(layer, {"text": served_text.__name__, "table": served_table.__name__}) or layer


def _widths(source: Mapping[str, Any], trunk: list[dict[str, Any]]) -> tuple[int, ...]:
    if is_text(source):
        length, numbers = source["shape"]
        own: int = trunk[0]["arguments"]["embedding"]
        return (own, *[0] * (numbers - 1)) * int(length)
    features = math.prod(source["shape"])
    widths = [1] * features
    for layer in _embeddings(trunk):
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
