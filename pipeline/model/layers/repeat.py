"""Images of one channel for networks that want several."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from pipeline.model.layers.base import Layer, Pass
from pipeline.model.layers.plain import Description
from pipeline.stacked import Stacked


@dataclass
class Repeat(Layer):
    """Every row several times side by side; a first layer, the gradient of whose input nobody needs.

    Attributes:
        inputs: I.
        times: How often.
    """

    inputs: int
    times: int

    def units(self, training: bool) -> int:
        """See `Layer`."""
        return self.inputs * self.times

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, I] -> [K or 1, B, times * I]."""
        slots, rows, _ = x.tensor.shape
        y = self.scratch("y", slots, rows, self.times * self.inputs)
        y.tensor.unflatten(2, (self.times, self.inputs)).copy_(x.tensor.unsqueeze(2))
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> None:
        """Nobody needs it."""

    def describe(self) -> dict[str, object]:
        """Kind and sizes."""
        return {"kind": "repeat", "inputs": self.inputs, "times": self.times}

    @staticmethod
    def plain(about: Description, tensors: Mapping[str, Tensor], source: str) -> nn.Module:
        """See `Layer`."""
        return RepeatModule(about["times"])


class RepeatModule(nn.Module):
    """The plain module of `Repeat`."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        """[B, I] -> [B, times * I]."""
        return x.repeat(1, self.times)
