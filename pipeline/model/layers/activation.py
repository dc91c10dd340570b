"""Activations, by torch's own kernels for value and derivative."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.layers.base import Layer, Pass, Stacked

_aten = torch.ops.aten

# (input, out)
_FORWARD: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": lambda x, out: torch.clamp_min(x, 0, out=out),
    "gelu": lambda x, out: _aten.gelu.out(x, out=out),
    "silu": lambda x, out: _aten.silu.out(x, out=out),
    "tanh": lambda x, out: torch.tanh(x, out=out),
}

# (gradient, input, output, out): gradient of the input
_BACKWARD: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "relu": lambda grad, x, y, out: _aten.threshold_backward.grad_input(grad, y, 0, grad_input=out),
    "gelu": lambda grad, x, y, out: _aten.gelu_backward.grad_input(grad, x, grad_input=out),
    "silu": lambda grad, x, y, out: _aten.silu_backward.grad_input(grad, x, grad_input=out),
    "tanh": lambda grad, x, y, out: _aten.tanh_backward.grad_input(grad, y, grad_input=out),
}

_EXACT = ("relu",)


@dataclass
class Activation(Layer):
    """An elementwise function.

    Attributes:
        name: relu, gelu, silu or tanh.
    """

    name: str

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        self._x, self._y = x, self.scratch("y", *x.tensor.shape)
        self._call(_FORWARD[self.name], x, self._y)
        return self._y

    def backward(self, grad: Stacked) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        back = self.scratch("back", *grad.tensor.shape)
        self._call(_BACKWARD[self.name], grad, self._x, self._y, back)
        return back

    def _call(self, function: Callable[..., Tensor], *stacked: Stacked) -> None:
        if self.name in _EXACT:
            function(*(it.tensor for it in stacked))
            return
        for parts in zip(*(it.slots for it in stacked), strict=True):
            function(*parts)

    def describe(self) -> dict[str, object]:
        """Kind and name."""
        return {"kind": "activation", "name": self.name}
