"""The linear layer."""

import math
from dataclasses import dataclass

import torch

from pipeline.model.layers.base import Declared, Layer, Pass, Stacked


@dataclass
class Linear(Layer):
    """y = x W' + b in every slot, with torch.nn.Linear's layout [O, I] and initial values.

    Attributes:
        inputs: I.
        outputs: O.
        first: Nobody needs the gradient of its input.
    """

    inputs: int
    outputs: int
    first: bool = False

    def parameters(self) -> dict[str, Declared]:
        """Weight [O, I] and bias [O], uniform in +-1/sqrt(I)."""
        bound = 1.0 / math.sqrt(self.inputs)
        return {"weight": Declared((self.outputs, self.inputs), bound), "bias": Declared((self.outputs,), bound)}

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, I] -> [K, B, O]."""
        self._x = x
        weight = self.values["weight"]
        y = self.scratch("y", len(weight.slots), x.tensor.size(1), self.outputs)
        for part, turned, out in zip(x.slots, weight.turned, y.slots, strict=True):
            torch.mm(part, turned, out=out)
        y.tensor.add_(self.values["bias"].tensor.unsqueeze(1))
        return y

    def backward(self, grad: Stacked) -> Stacked | None:
        """[K, B, O] -> [K, B, I]."""
        torch.sum(grad.tensor, 1, out=self.grads["bias"].tensor)
        for turned, x, out in zip(grad.turned, self._x.slots, self.grads["weight"].slots, strict=True):
            torch.mm(turned, x, out=out)
        if self.first:
            return None
        back = self.scratch("back", *grad.tensor.shape[:2], self.inputs)
        for part, weight, out in zip(grad.slots, self.values["weight"].slots, back.slots, strict=True):
            torch.mm(part, weight, out=out)
        return back

    def describe(self) -> dict[str, object]:
        """Kind and sizes."""
        return {"kind": "linear", "inputs": self.inputs, "outputs": self.outputs}
