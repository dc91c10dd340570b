"""Layers on values of their own, and how they are held against torch."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from pipeline.draws import Stream
from pipeline.model.layers import Declared, Layer, Pass
from pipeline.stacked import Stacked, slotted

AnyLayer = TypeVar("AnyLayer", bound=Layer)


def bound(layer: AnyLayer, slots: int, seed: int = 0) -> AnyLayer:
    """The layer on random values for so many slots; statistics start at their constants."""
    draws = torch.Generator().manual_seed(seed)
    values = {name: _random(it, slots, draws) for name, it in layer.parameters().items()}
    grads = {name: torch.full_like(value, float("nan")) for name, value in values.items()}
    statistics = {name: slotted(slots, *it.shape).fill_(it.constant) for name, it in layer.statistics().items()}
    layer.bind(values, grads, statistics)
    return layer


def batch(slots: int, rows: int, width: int, seed: int = 1) -> Stacked:
    """Random values [slots, rows, width]."""
    draws = torch.Generator().manual_seed(seed)
    return Stacked(slotted(slots, rows, width).normal_(generator=draws))


def training(slots: int = 1, epoch: int = 0, step: int = 0, rows: dict[str, slice] | None = None) -> Pass:
    """A training pass, a stream a slot."""
    return Pass(rows or {}, streams(slots), epoch, step)


def streams(slots: int) -> Sequence[Stream]:
    return [Stream(0, f"seed/{k}") for k in range(slots)]


def vjp(function, x: Tensor, grad: Tensor, *parameters: Tensor) -> tuple[Tensor, list[Tensor]]:  # type: ignore[no-untyped-def]
    """Autograd's answer: the output, and the gradients of x and the parameters."""
    wanted = [tensor.detach().clone().requires_grad_() for tensor in (x, *parameters)]
    y = function(*wanted)
    return y.detach(), list(torch.autograd.grad(y, wanted, grad))


def _random(declared: Declared, slots: int, draws: torch.Generator) -> Tensor:
    return slotted(slots, *declared.shape).normal_(generator=draws)
