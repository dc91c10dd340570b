"""The dropout inside a wrapped module, replaced by the stack's own: each slot draws from its own stream."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Pass
from pipeline.model.layers.dropout import Dropout
from pipeline.stacked import Cut, On, Stacked


class ReplacedDropout(nn.Dropout):
    """Drops the units of one slot, or of all slots at once under torch.func, the same ones either way.

    Args:
        rate: Probability of dropping a unit, in [0, 1).
        name: Names its draws.
        rates: Those of the slots, where each has its own.
    """

    def __init__(self, rate: float, name: str, rates: Sequence[float] | None = None) -> None:
        super().__init__(rate)
        self._name, self._rates = name, rates
        self._layers: dict[tuple[int | None, int, int], Dropout] = {}

    def begin(self, this: Pass, slot: int | None, index: Tensor | None, on: On) -> None:
        """Before the module is called.

        Args:
            this: The pass, with the streams of the slots that this call is for.
            slot: The one it is for; None for all.
            index: Any tensor that torch.func has batched over the slots; None when one slot is called by itself.
            on: Where the slots lie.
        """
        self._this, self._slot, self._index, self._on, self._times = this, slot, index, on, 0

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape; the identity when evaluating."""
        streams = self._this.streams
        if streams is None or (self.p == 0 and self._rates is None):
            return x
        # Each call in a pass has a layer of its own, which keeps its mask until the backward pass.
        key = (self._slot, len(streams), self._times)
        if key not in self._layers:
            name = f"{self._name}.{self._times}" if self._times else self._name
            self._layers[key] = Dropout(self._rates_of(len(streams)), name)
            self._layers[key].bind({}, {}, {}, self._on)
        if self._on.batched:
            self._layers[key].begin(streams, self._this.epoch)
        self._times += 1
        return _Ours.apply(x, self._index, self._layers[key], self._of(x))

    def _of(self, x: Tensor) -> Pass:
        """The pass; of a part of a batch whose rows are not the first axis of x, that draws by itself."""
        this = self._this
        rows = sum(it.stop - it.start for it in this.rows.values())
        if this.cut is None or (x.dim() > 1 and rows and x.size(0) % rows == 0):
            return this
        return replace(this, cut=Cut(this.cut.number))

    def _rates_of(self, streams: int) -> list[float]:
        """The rates of the slots that this call is for."""
        if self._rates is None:
            return [self.p] * streams
        return list(self._rates) if self._slot is None else [self._rates[self._slot]]


class _Ours(torch.autograd.Function):
    """The stack's dropout as a function that autograd and torch.func know: x has a leading axis of slots, or is one."""

    @staticmethod
    def forward(x: Tensor, index: Tensor | None, layer: Dropout, this: Pass) -> Tensor:
        return layer.forward(_slots(x, layer), this).tensor.detach().view(x.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.layer = inputs[2]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        return ctx.layer.backward(_slots(grad, ctx.layer)).tensor.view(grad.shape), None, None, None

    @staticmethod
    def vmap(  # type: ignore[override]
        info: Any, in_dims: tuple[int | None, ...], x: Tensor, index: Tensor, layer: Dropout, this: Pass
    ) -> tuple[Tensor, int]:
        # What is the same for all slots, such as their shared batch, is dropped by each for itself.
        whole = x.expand(info.batch_size, *x.shape) if in_dims[0] is None else x.movedim(in_dims[0], 0)
        return _Ours.apply(whole, None, layer, this), 0


def replace_dropout(module: nn.Module, name: str, rates: Sequence[float] | None = None) -> list[ReplacedDropout]:
    """Put ours in the place of every nn.Dropout inside the module; `name` names their draws, `rates` are the slots'."""
    replaced: dict[nn.Module, ReplacedDropout] = {}
    for path, it in module.named_modules():
        if type(it) is nn.Dropout and it.p < 1:
            replaced[it] = ReplacedDropout(it.p, f"{name}.{path}", rates)
    for it in list(module.modules()):
        for child, part in it.named_children():
            if part in replaced:
                setattr(it, child, replaced[part])
    return list(replaced.values())


def _slots(x: Tensor, layer: Dropout) -> Stacked:
    return Stacked(x.reshape(len(layer.rates), 1, -1))
