"""A slot's network outside a stack, as a module that gradients can be taken through: what the served model is made of.

Legend of shapes: B rows, F values of a row, T tokens of a text, t of the longest at hand, E values that are embedded of
a row, C outputs of a task.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from torch import Tensor, nn

from pipeline.kinds import kind_of
from pipeline.model.layers.embedding import CategoryEmbeddingModule, NumberEmbeddingModule
from pipeline.model.modules.text import Embedded
from pipeline.serving.network import build
from pipeline.serving.slots import one_slot
from pipeline.serving.specification import SourceSpec, TaskSpec

_EMBEDDINGS = NumberEmbeddingModule | CategoryEmbeddingModule


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
        task: What makes predictions of the logits.
    """

    source: str
    network: nn.Module
    embedded: nn.Module | None
    widths: tuple[int, ...]
    task: TaskSpec | None = None


def rebuilt(saved: Path, slot: str) -> dict[str, Rebuilt]:
    """The networks of all tasks, which share the modules of their trunk.

    Args:
        saved: A `model.safetensors`.
        slot: Name of the slot.

    Raises:
        ValueError: The file has no such slot.
    """
    spec, tensors = one_slot(saved, slot)
    found = {}
    for trunk in build(spec, tensors):
        front = list(takewhile(lambda layer: isinstance(layer, _EMBEDDINGS), trunk.layers))
        first = nn.Sequential(_Divided(trunk.scale), *front)
        for task, head in trunk.heads.items():
            name = spec.tasks[task].source
            source, layers = spec.sources[name], [first, *trunk.layers[len(front) :], *head]
            if kind_of(spec.tasks[task].kind).per_token:
                layers += [nn.Unflatten(0, (-1, source.shape[0])), nn.Flatten()]
            whole = nn.Sequential(*layers).eval().requires_grad_(False)
            found[task] = Rebuilt(name, whole, *_embedded(source, whole, front), spec.tasks[task])
    return found


def _embedded(
    source: SourceSpec, network: nn.Sequential, front: Sequence[nn.Module]
) -> tuple[nn.Module | None, tuple[int, ...]]:
    """The part of a network that embeds rows of a source, and the widths of what each value becomes."""
    features = math.prod(source.shape)
    widths = [1] * features
    if source.kind == "text":
        length, numbers = source.shape
        for it in network.modules():
            if isinstance(it, Embedded):
                return it, (it.bag.embedding_dim, *[0] * (numbers - 1)) * length
        return None, tuple(widths)
    for layer in front:
        if isinstance(layer, NumberEmbeddingModule):
            widths[: layer.numbers] = [layer.width] * layer.numbers
        elif isinstance(layer, CategoryEmbeddingModule):
            widths[features - len(layer.sizes) :] = [layer.width] * len(layer.sizes)
    codes = bool(source.encoding and source.encoding.get("categories"))
    return network[0] if front or not codes else None, tuple(widths)


class _Divided(nn.Module):
    """Rows divided by their source's scale."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x / self.scale
