"""Activations, by torch's own kernels for value and derivative."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Layer, Pass
from pipeline.stacked import Stacked

_aten = torch.ops.aten

# (input, out)
_FORWARD: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": lambda x, out: torch.clamp_min(x, 0, out=out),
    "gelu": lambda x, out: _aten.gelu.out(x, out=out),
    "silu": lambda x, out: _aten.silu.out(x, out=out),
    "tanh": lambda x, out: torch.tanh(x, out=out),
    "sigmoid": lambda x, out: torch.sigmoid(x, out=out),
}

# (gradient, input or output, out): gradient of the input
_BACKWARD: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "relu": lambda grad, y, out: _aten.threshold_backward.grad_input(grad, y, 0, grad_input=out),
    "gelu": lambda grad, x, out: _aten.gelu_backward.grad_input(grad, x, grad_input=out),
    "silu": lambda grad, x, out: _aten.silu_backward.grad_input(grad, x, grad_input=out),
    "tanh": lambda grad, y, out: _aten.tanh_backward.grad_input(grad, y, grad_input=out),
    "sigmoid": lambda grad, y, out: _aten.sigmoid_backward.grad_input(grad, y, grad_input=out),
}

_MODULES = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
_OF_OUTPUT = ("relu", "tanh", "sigmoid")  # whose derivative follows from what they answer


@dataclass
class Activation(Layer):
    """An elementwise function.

    Attributes:
        name: relu, gelu, silu, tanh or sigmoid.
    """

    kind, described, plain = "activation", ("name",), lambda name: _MODULES[name]()

    name: str
    rowwise: bool = field(default=True, init=False, repr=False)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        # What is dropped afterwards has no gradient, so relu's output may be overwritten by dropout; that of
        # tanh and sigmoid may not.
        in_place = x.spare and self.name == "relu"
        y = x if in_place else self.like("y", x)
        y.spare = self.name not in ("tanh", "sigmoid")
        self._kept = y if self.name in _OF_OUTPUT else x
        self._call(_FORWARD[self.name], x, y)
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        back = grad if grad.spare else self.like("back", grad)
        self._call(_BACKWARD[self.name], grad, self._kept, back)
        return back

    def _call(self, function: Callable[..., Tensor], *stacked: Stacked) -> None:
        flat = [it.flat for it in stacked if it.flat is not None]
        if len(flat) == len(stacked):
            function(*flat)
            return
        slots = len(stacked[-1].slots)
        for parts in zip(*(self.each(it, slots) for it in stacked), strict=True):
            function(*parts)
