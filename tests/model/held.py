"""Layers of images held against torch's own, a slot at a time."""

from collections.abc import Callable

import torch
from torch import Tensor

from pipeline.model.layers import Layer
from pipeline.stacked import Stacked
from tests.model.bound import batch, bound, training, vjp

Function = Callable[..., Tensor]
"""(images [B, C, H, W], *parameters) -> any shape [B, ...]"""


def check(
    layer: Layer,
    function: Function,
    shape: tuple[int, ...],
    slots: int,
    shared: bool = False,
    batches: tuple[int, ...] = (6, 1, 6),
) -> None:
    """Answer and gradients of every slot are autograd's.

    Args:
        layer: Not yet bound.
        function: What it computes, by torch.
        shape: Of a row as the function takes it.
        slots: K.
        shared: All slots read the same rows.
        batches: Rows of one pass after the other.
    """
    bound(layer, slots)
    width = torch.Size(shape).numel()
    for rows in batches:
        x = batch(1 if shared else slots, rows, width, seed=rows)
        before = x.tensor.clone()
        y = layer.forward(x, training(slots, rows={"all": slice(0, rows)}))
        answer = y.tensor.clone()
        grad = batch(*answer.shape, seed=2)
        slopes = grad.tensor.clone()
        back = layer.backward(grad)
        for k in range(slots):
            parameters = [layer.values[name].slots[k] for name in layer.parameters()]
            images = before[0 if shared else k].unflatten(1, shape)
            wanted = function(images, *parameters)
            _close(answer[k], wanted.flatten(1))
            _, (dx, *others) = vjp(function, images, slopes[k].view_as(wanted), *parameters)
            if back is not None:
                _close(back.tensor[k], dx.flatten(1))
            for name, other in zip(layer.parameters(), others, strict=True):
                _close(layer.grads[name].slots[k], other)


def turned(it: Stacked) -> Stacked:
    """The same rows, lying in memory as images do."""
    memory = it.tensor.mT.contiguous()
    return Stacked(memory.mT)


def _close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=2e-5, atol=2e-5)
