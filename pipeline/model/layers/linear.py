"""The linear layer."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.layers.base import Declared, Layer, Pass
from pipeline.stacked import Stacked


@dataclass
class Linear(Layer):
    """y = scale * x W' + b in every slot, with torch.nn.Linear's layout [O, I] and initial values.

    Attributes:
        inputs: I.
        outputs: O.
        first: Nobody needs the gradient of its input.
        scale: What the inputs are multiplied by; the products do it on the side.
    """

    inputs: int
    outputs: int
    first: bool = False
    scale: float = 1.0

    def parameters(self) -> dict[str, Declared]:
        """Weight [O, I] and bias [O], uniform in +-1/sqrt(I)."""
        bound = 1.0 / math.sqrt(self.inputs)
        return {"weight": Declared((self.outputs, self.inputs), bound), "bias": Declared((self.outputs,), bound)}

    def bind(self, values: dict[str, Tensor], grads: dict[str, Tensor], buffers: dict[str, Tensor]) -> None:
        """See `Layer`."""
        super().bind(values, grads, buffers)
        self._bias = self.values["bias"].tensor.unsqueeze(1)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, I] -> [K, B, O]."""
        self._x = x
        weight = self.values["weight"]
        slots = len(weight.slots)
        y = self.scratch("y", slots, x.tensor.size(1), self.outputs)
        self._products(x.each(slots), weight.turned, y.slots)
        y.tensor.add_(self._bias)
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, O] -> [K, B, I]."""
        torch.sum(grad.tensor, 1, out=self.grads["bias"].tensor)
        weight = self.grads["weight"]
        self._products(grad.turned, self._x.each(len(weight.slots)), weight.slots)
        if self.first:
            return None
        back = into or self.scratch("back", *grad.tensor.shape[:2], self.inputs)
        self._products(grad.slots, self.values["weight"].slots, back.slots)
        return back

    def _products(self, left: tuple[Tensor, ...], right: tuple[Tensor, ...], out: tuple[Tensor, ...]) -> None:
        """Products of each slot's two matrices, times the scale."""
        if self.scale == 1.0:
            for a, b, c in zip(left, right, out, strict=True):
                torch.mm(a, b, out=c)
            return
        for a, b, c in zip(left, right, out, strict=True):
            torch.addmm(c, a, b, beta=0.0, alpha=self.scale, out=c)

    def describe(self) -> dict[str, object]:
        """Kind and sizes; who predicts divides by the source's scale."""
        return {"kind": "linear", "inputs": self.inputs, "outputs": self.outputs}
