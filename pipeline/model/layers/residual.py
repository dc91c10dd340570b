"""Layers whose answer is added to their input."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Layer, Pass
from pipeline.model.layers.composite import Composite, back_through, outputs_of, through, unspared
from pipeline.model.layers.plain import Description, Layers
from pipeline.stacked import Stacked


class ResidualModule(nn.Module):
    """The plain module of `Residual`."""

    def __init__(self, about: Description, layers: Layers) -> None:
        super().__init__()
        self.inner, self.shortcut = (layers(about[path], path) for path in ("inner", "shortcut"))

    def forward(self, x: Tensor) -> Tensor:
        """[B, I] -> [B, O]."""
        return torch.add(self.inner(x), self.shortcut(x))


@dataclass
class Residual(Composite):
    """y = inner(x) + shortcut(x) (He et al. 2015, "Deep residual learning for image recognition", equations 1 and 2).

    Attributes:
        inner: Layers, one after the other.
        shortcut: The same; the input itself where there are none.
    """

    kind, described, plain = "residual", ("inner", "shortcut"), ResidualModule

    inner: list[Layer]
    shortcut: list[Layer] = field(default_factory=list)

    @property
    def outputs(self) -> int:
        """Values that it answers for a row."""
        return outputs_of(self.inner)

    def stacks(self) -> dict[str, list[Layer]]:
        """See `Composite`."""
        return {path: getattr(self, path) for path in self.described}

    def units(self, training: bool) -> int:
        """See `Layer`: its own sums, there and back; its layers tell theirs."""
        return (2 if training else 1) * self.outputs

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, I] -> [K, B, O]."""
        shared = unspared(x)
        y, short = (through(layers, shared, this) for layers in (self.inner, self.shortcut))
        answer = self.like("y", y)
        torch.add(y.tensor, short.tensor, out=answer.tensor)
        return answer

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, O] -> [K, B, I]."""
        shared = unspared(grad)
        back, short = (back_through(layers, shared) for layers in (self.inner, self.shortcut))
        if back is None or short is None:
            return None
        answer = self.like("back", back)
        torch.add(back.tensor, short.tensor, out=answer.tensor)
        return answer
