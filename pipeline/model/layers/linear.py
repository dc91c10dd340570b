"""The linear layer."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.layers.base import Declared, Layer, Pass, slot


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

    def forward(self, x: Tensor, this: Pass) -> Tensor:
        """[K or 1, B, I] -> [K, B, O]."""
        self._x = x
        weight, bias = self.values["weight"], self.values["bias"]
        y = self.scratch("y", weight.size(0), x.size(1), self.outputs)
        for k in range(weight.size(0)):
            torch.addmm(bias[k], slot(x, k), weight[k].t(), out=y[k])
        return y

    def backward(self, grad: Tensor) -> Tensor | None:
        """[K, B, O] -> [K, B, I]."""
        slots, weight = grad.size(0), self.values["weight"]
        for k in range(slots):
            torch.mm(grad[k].t(), slot(self._x, k), out=self.grads["weight"][k])
            torch.sum(grad[k], 0, out=self.grads["bias"][k])
        if self.first:
            return None
        back = self.scratch("back", slots, grad.size(1), self.inputs)
        for k in range(slots):
            torch.mm(grad[k], weight[k], out=back[k])
        return back

    def describe(self) -> dict[str, object]:
        """Kind and sizes."""
        return {"kind": "linear", "inputs": self.inputs, "outputs": self.outputs}
