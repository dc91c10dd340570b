"""Activations, each with torch's own derivative."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.model.layers.base import Layer, Pass

_aten = torch.ops.aten

_FORWARD: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
}

# (gradient, input, output) -> gradient of the input
_BACKWARD: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "relu": lambda grad, x, y: _aten.threshold_backward(grad, y, 0),
    "gelu": lambda grad, x, y: _aten.gelu_backward(grad, x),
    "silu": lambda grad, x, y: _aten.silu_backward(grad, x),
    "tanh": lambda grad, x, y: _aten.tanh_backward(grad, y),
}


@dataclass
class Activation(Layer):
    """An elementwise function.

    Attributes:
        name: relu, gelu, silu or tanh.
    """

    name: str

    def forward(self, x: Tensor, this: Pass) -> Tensor:
        """[K, B, I] -> [K, B, I]."""
        self._x = x
        self._y = self._stacked(lambda k: _FORWARD[self.name](x[k]), x, "y")
        return self._y

    def backward(self, grad: Tensor) -> Tensor:
        """[K, B, I] -> [K, B, I]."""
        back = _BACKWARD[self.name]
        return self._stacked(lambda k: back(grad[k], self._x[k], self._y[k]), grad, "back")

    def _stacked(self, one: Callable[[int], Tensor], like: Tensor, name: str) -> Tensor:
        # A call a slot: the vectorised and the scalar form of erf or tanh differ in the last bit, and which element
        # falls in the scalar tail would depend on K.
        out = self.scratch(name, *like.shape)
        for k in range(like.size(0)):
            out[k].copy_(one(k))
        return out

    def describe(self) -> dict[str, object]:
        """Kind and name."""
        return {"kind": "activation", "name": self.name}
