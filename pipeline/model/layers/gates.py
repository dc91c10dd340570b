"""Gates: how much of each expert goes into a mixture.

Legend of shapes beside those of `base`: E experts of a mixture. Gates lie in memory as [K, E, B].
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.draws import Stream
from pipeline.model.layers.base import Declared, Layer, Pass
from pipeline.stacked import Stacked

_softmax_backward = torch.ops.aten._softmax_backward_data


@dataclass
class Softmax(Layer):
    """Gates of each row that sum to 1."""

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, E] -> [K, B, E]."""
        self._y = self.turned_scratch("y", *x.tensor.shape)
        slots = len(x.slots)
        for given, out in zip(self.turned(x, slots), self.turned(self._y, slots), strict=True):
            out.copy_(torch.softmax(given, -2))  # it cannot write into memory with gaps between slots
        return self._y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, E] -> [K, B, E]."""
        back = self.turned_scratch("back", *grad.tensor.shape)
        slots = len(grad.slots)
        for slope, y, out in zip(*(self.turned(it, slots) for it in (grad, self._y, back)), strict=True):
            out.copy_(_softmax_backward(slope, y, -2, torch.float32))
        return back

    def describe(self) -> dict[str, object]:
        """Kind."""
        return {"kind": "softmax"}


@dataclass
class Constant(Layer):
    """The same gates for all rows, which are trained.

    Attributes:
        begins: Their initial values, E of them.
    """

    begins: tuple[float, ...]

    def parameters(self) -> dict[str, Declared]:
        """The gates [E]."""
        return {"gates": Declared((len(self.begins),))}

    def initial(self, stream: Stream) -> dict[str, Tensor]:
        """See `Layer`."""
        return {"gates": torch.tensor(self.begins)}

    def entrances(self) -> Iterator[Layer]:
        """It does not look at its input."""
        return iter(())

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, I] -> [K, B, E]."""
        gates = self.values["gates"].tensor.unsqueeze(1)
        return Stacked(gates.expand(-1, x.tensor.size(1), -1))

    def backward(self, grad: Stacked, into: Stacked | None = None) -> None:
        """[K, B, E] -> nothing: the input has no part in it."""
        torch.sum(grad.tensor, 1, out=self.grads["gates"].tensor)

    def describe(self) -> dict[str, object]:
        """Kind and size."""
        return {"kind": "constant", "outputs": len(self.begins)}
