"""Images of one channel for networks that want several."""

from dataclasses import dataclass

from torch import Tensor, nn

from pipeline.model.layers.base import Layer, Pass
from pipeline.stacked import Stacked


class RepeatModule(nn.Module):
    """The plain module of `Repeat`."""

    def __init__(self, inputs: int, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        """[B, I] -> [B, times * I]."""
        return x.repeat(1, self.times)


@dataclass
class Repeat(Layer):
    """Every row several times side by side; a first layer, the gradient of whose input nobody needs.

    Attributes:
        inputs: I.
        times: How often.
    """

    kind, described, plain = "repeat", ("inputs", "times"), RepeatModule

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
