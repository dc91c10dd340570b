"""Which part of the answer of a trunk of text a head reads: the vectors of all tokens, or the one of the row.

Legend of shapes beside those of `base`: T tokens of a row, H values of a token. The trunk answers [K, B, (T + 1) * H].
"""

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from pipeline.model.layers.base import Layer, Pass
from pipeline.stacked import Stacked


class PartModule(nn.Module):
    """The plain module of `Tokens` and of `Pooled`.

    Args:
        length: T.
        width: H.
        tokens: The vectors of all tokens, else those of the rows.
    """

    def __init__(self, length: int, width: int, tokens: bool) -> None:
        super().__init__()
        self.begin, self.width, self.tokens = length * width, width, tokens

    def forward(self, x: Tensor) -> Tensor:
        """[B, (T + 1) * H] -> [B * T, H] or [B, H]."""
        return x[:, : self.begin].reshape(-1, self.width) if self.tokens else x[:, self.begin :]


@dataclass
class Part(Layer):
    """A part of the trunk's answer.

    Attributes:
        length: T.
        width: H.
    """

    described = ("length", "width")

    length: int
    width: int


@dataclass
class Tokens(Part):
    """The vectors of the tokens as rows of their own, one row's after another's."""

    kind, plain = "tokens", partial(PartModule, tokens=True)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, (T + 1) * H] -> [K, B * T, H]."""
        slots, rows, _ = x.tensor.shape
        y = self.scratch("y", slots, rows * self.length, self.width)
        y.tensor.view(slots, rows, -1).copy_(x.tensor[:, :, : self.length * self.width])
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B * T, H] -> [K, B, (T + 1) * H]."""
        slots, rows, _ = grad.tensor.shape
        rows //= self.length
        back = into or self.scratch("back", slots, rows, (self.length + 1) * self.width)
        back.tensor[:, :, : self.length * self.width] = grad.tensor.reshape(slots, rows, -1)
        back.tensor[:, :, self.length * self.width :] = 0.0
        return back


@dataclass
class Pooled(Part):
    """The vector of the row."""

    kind, plain = "pooled", partial(PartModule, tokens=False)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, (T + 1) * H] -> [K, B, H]."""
        y = self.scratch("y", *x.tensor.shape[:2], self.width)
        y.tensor.copy_(x.tensor[:, :, self.length * self.width :])
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, H] -> [K, B, (T + 1) * H]."""
        back = into or self.scratch("back", *grad.tensor.shape[:2], (self.length + 1) * self.width)
        back.tensor[:, :, : self.length * self.width] = 0.0
        back.tensor[:, :, self.length * self.width :] = grad.tensor
        return back
