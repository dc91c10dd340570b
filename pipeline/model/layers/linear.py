"""The linear layer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Declared, Layer, Pass
from pipeline.model.layers.rounding import has_units, rounded
from pipeline.stacked import HOST, On, Stacked

_WORTH_HALVING = 32  # inputs and outputs of the narrowest layer whose products are worth bfloat16 copies


@dataclass
class Linear(Layer):
    """y = scale * x W' + b in every slot, with torch.nn.Linear's layout [O, I] and initial values.

    Attributes:
        inputs: I.
        outputs: O.
        first: Nobody needs the gradient of its input.
        scale: What the inputs are multiplied by; the products do it on the side.
        half: Products of bfloat16: of copies, or where a processor has matrix units rounded by the library. Values,
            gradients and everything else stay float32.
        last: Nothing but a loss reads its output, which then lies in memory as [K, O, B].
    """

    kind, described, plain = "linear", ("inputs", "outputs"), nn.Linear

    inputs: int
    outputs: int
    first: bool = False
    scale: float = 1.0
    half: bool = False
    last: bool = False

    def parameters(self) -> dict[str, Declared]:
        """Weight [O, I] and bias [O], uniform in +-1/sqrt(I)."""
        bound = 1.0 / math.sqrt(self.inputs)
        return {"weight": Declared((self.outputs, self.inputs), bound), "bias": Declared((self.outputs,), bound)}

    def units(self, training: bool) -> int:
        """See `Layer`: its answer, and what follows it, such as an activation's gradient and dropout's mask."""
        return (3 if training else 1) * self.outputs

    def bound(self, on: On) -> None:
        """See `Layer`."""
        self._bias = self.values["bias"].tensor.unsqueeze(1)
        self._column = self.values["bias"].tensor.unsqueeze(2)
        # The copies take longer than the products of a narrow layer.
        worth = self.half and min(self.inputs, self.outputs) >= _WORTH_HALVING
        self._rounded = worth and on == HOST and has_units()
        self._halved = worth and not self._rounded
        self.rowwise = not worth

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, I] -> [K, B, O]."""
        if self._halved:
            return self._half_forward(x)
        self._x = x
        weight = self.values["weight"]
        slots = len(weight.slots)
        if self.last:
            y = self.scratch("y", slots, self.outputs, x.tensor.size(1))
            self._products(self.each(weight, slots), self.turned(x, slots), self.each(y, slots))
            y.tensor.add_(self._column)
            return y.turned
        y = self.scratch("y", slots, x.tensor.size(1), self.outputs)
        self._products(self.each(x, slots), self.turned(weight, slots), self.each(y, slots))
        y.tensor.add_(self._bias)
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, O] -> [K, B, I]."""
        if self._halved:
            torch.sum(grad.tensor, 1, out=self.grads["bias"].tensor)
            return self._half_backward(grad, into)
        self._write(grad, self._x, self.grads)
        return self.input_gradient(grad, into)

    def backward_parts(self, grad: Stacked, parts: Sequence[tuple[slice, Mapping[str, Stacked]]]) -> Stacked | None:
        """See `Layer`."""
        for rows, grads in parts:
            self._write(grad.part(rows), self._x.part(rows), grads)
        return self.input_gradient(grad)

    def input_gradient(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """What `backward` answers, and nothing else: [K, B, O] -> [K, B, I]."""
        if self.first:
            return None
        slots = len(grad.slots)
        back = into or self.scratch("back", *grad.tensor.shape[:2], self.inputs)
        self._products(self.each(grad, slots), self.each(self.values["weight"], slots), self.each(back, slots))
        return back

    def alike(self) -> Tensor:
        """How alike the rows of the last batch are to weight and bias, [S, B, B].

        The inner product of two gradients of the parameters, with the output's slopes g and h, is the sum over rows i
        and j of alike[i, j] * (g_i . h_j).
        """
        x = self._x.tensor
        return torch.stack([torch.mm(it, it.mT) for it in x.unbind()]).mul_(self.scale**2).add_(1.0)

    def _write(self, grad: Stacked, x: Stacked, grads: Mapping[str, Stacked]) -> None:
        """The parameters' gradients of some rows."""
        torch.sum(grad.tensor, 1, out=grads["bias"].tensor)
        weight = grads["weight"]
        slots = len(weight.slots)
        self._products(self.turned(grad, slots), self.each(x, slots), self.each(weight, slots))

    def _products(self, left: tuple[Tensor, ...], right: tuple[Tensor, ...], out: tuple[Tensor, ...]) -> None:
        """Products of each slot's two matrices, times the scale."""
        if self._rounded:
            with rounded():
                self._scaled(left, right, out)
        else:
            self._scaled(left, right, out)

    def _scaled(self, left: tuple[Tensor, ...], right: tuple[Tensor, ...], out: tuple[Tensor, ...]) -> None:
        if self.scale == 1.0:
            self._plain(left, right, out)
            return
        product = torch.baddbmm if self.batched else torch.addmm
        for a, b, c in zip(left, right, out, strict=True):
            product(c, a, b, beta=0.0, alpha=self.scale, out=c)

    def _plain(self, left: tuple[Tensor, ...], right: tuple[Tensor, ...], out: tuple[Tensor, ...]) -> None:
        product = torch.bmm if self.batched else torch.mm
        for a, b, c in zip(left, right, out, strict=True):
            product(a, b, out=c)

    def _half_forward(self, x: Stacked) -> Stacked:
        self._x = self._halve("x16", x.tensor)
        self._weight = self._halve("weight16", self.values["weight"].tensor)
        slots = len(self._weight.slots)
        products = self.scratch("y16", slots, x.tensor.size(1), self.outputs, dtype=torch.bfloat16)
        self._plain(self.each(self._x, slots), self.turned(self._weight, slots), self.each(products, slots))
        y = self.scratch("y", *products.tensor.shape)
        y.tensor.copy_(products.tensor)
        torch.add(self._bias, y.tensor, alpha=self.scale, out=y.tensor)
        return y

    def _half_backward(self, grad: Stacked, into: Stacked | None) -> Stacked | None:
        scaled = grad.tensor
        if self.scale != 1.0:
            scaled = torch.mul(grad.tensor, self.scale, out=self.scratch("scaled", *scaled.shape).tensor)
        halved = self._halve("grad16", scaled)
        slots, rows, _ = scaled.shape
        products = self.scratch("dweight16", slots, self.outputs, self.inputs, dtype=torch.bfloat16)
        self._plain(self.turned(halved, slots), self.each(self._x, slots), self.each(products, slots))
        self.grads["weight"].tensor.copy_(products.tensor)
        if self.first:
            return None
        products = self.scratch("back16", slots, rows, self.inputs, dtype=torch.bfloat16)
        self._plain(self.each(halved, slots), self.each(self._weight, slots), self.each(products, slots))
        back = into or self.scratch("back", *products.tensor.shape)
        back.tensor.copy_(products.tensor)
        return back

    def _halve(self, name: str, tensor: Tensor) -> Stacked:
        halved = self.scratch(name, *tensor.shape, dtype=torch.bfloat16)
        halved.tensor.copy_(tensor)
        return halved
