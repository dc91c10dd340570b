"""One network's layers outside a stack, as plain modules of torch.

Each kind of layer stands once, in one file: its stacked layer, which describes itself as JSON, and the plain module
that it is rebuilt as from that and one slot's tensors. The files are imported when a network has such a layer, so a
copy of this package that serves one network needs those of its kinds alone.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

Description = Mapping[str, Any]
"""What `Layer.describe` returns: `kind`, and what a layer of this kind is made of."""

Layers = Callable[[Sequence[Description], str], nn.Sequential]
"""Makes modules of described layers, given the beginning of their tensors' names."""

KINDS = {
    "activation": "activation:Activation",
    "attended": "attended:Attended",
    "average_pool2d": "pool:AveragePool2d",
    "batch_norm": "norm:BatchNorm",
    "batch_norm2d": "image_norm:BatchNorm2d",
    "category_embedding": "embedding:CategoryEmbedding",
    "constant": "gates:Constant",
    "conv2d": "conv:Conv2d",
    "dropout": "dropout:Dropout",
    "layer_norm": "norm:LayerNorm",
    "linear": "linear:Linear",
    "max_pool2d": "pool:MaxPool2d",
    "mixtures": "mixtures:Mixtures",
    "module": "wrapped:Wrapped",
    "number_embedding": "embedding:NumberEmbedding",
    "pooled": "tokens:Pooled",
    "preference": "preference:Preference",
    "repeat": "repeat:Repeat",
    "residual": "residual:Residual",
    "selection": "gates:Selection",
    "softmax": "gates:Softmax",
    "tokens": "tokens:Tokens",
}
"""File and class of each kind of layer, by the name that its description has."""


def sequence(described: Sequence[Description], name: str, tensors: Mapping[str, Tensor], source: str) -> nn.Sequential:
    """Layers one after the other, in evaluation mode, on these tensors themselves.

    Args:
        described: As the layers describe themselves.
        name: The tensors of the layer at an index begin with `<name>.<index>.`.
        tensors: One slot's, by name.
        source: Whose running statistics normalise, where each source has its own.

    Raises:
        ValueError: A description is of no known kind.
    """
    layers = []
    for index, about in enumerate(described):
        prefix = f"{name}.{index}."
        own = {full.removeprefix(prefix): tensor for full, tensor in tensors.items() if full.startswith(prefix)}
        layers.append(_class_of(about["kind"]).rebuild(about, own, source))
    return nn.Sequential(*layers).eval()


class Shaped(nn.Module):
    """A module that takes rows of a shape, between flat ones.

    Args:
        module: It.
        shape: Of one row.
    """

    def __init__(self, module: nn.Module, shape: Sequence[int]) -> None:
        super().__init__()
        self.module, self.shape = module, tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        """[B, F] -> [B, O]."""
        return torch.flatten(self.module(x.unflatten(1, self.shape)), 1)


def _class_of(kind: str) -> Any:
    if kind not in KINDS:
        raise ValueError(f"the specification names a layer of unknown kind '{kind}'")
    file, name = KINDS[kind].split(":")
    return getattr(importlib.import_module(f"{__package__}.{file}"), name)
