"""Dropout with a rate for every slot."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.layers.base import Layer, Pass, slotted

_LEVELS = 1 << 16  # a unit is kept by comparing 16 random bits: rates are exact to 1/65536
_LOWEST = torch.iinfo(torch.int64).min


@dataclass
class Dropout(Layer):
    """Inverted dropout (Srivastava et al. 2014): a unit is dropped with the slot's rate, the rest scaled up.

    Attributes:
        rates: Probability of dropping a unit, one a slot, in [0, 1).
        name: Names the layer's draws, so that two layers of a network draw apart.
    """

    rates: list[float]
    name: str

    def forward(self, x: Tensor, this: Pass) -> Tensor:
        """[K, B, I] -> [K, B, I]; the identity when evaluating."""
        self._mask = None
        if not this.training or not any(self.rates):
            return x
        self._mask = self._draw(x, this)
        return torch.mul(x, self._mask, out=self.scratch("y", *x.shape))

    def backward(self, grad: Tensor) -> Tensor:
        """[K, B, I] -> [K, B, I]."""
        return grad if self._mask is None else torch.mul(grad, self._mask, out=self.scratch("back", *grad.shape))

    def _draw(self, x: Tensor, this: Pass) -> Tensor:
        """What each unit is multiplied by: 0, or 1 / (1 - rate)."""
        assert this.streams is not None
        mask = self.scratch("mask", *x.shape)
        words = -(-x[0].numel() // 4)
        bits = slotted(1, words, dtype=torch.int64)[0]
        draws = bits.view(torch.int16)[: x[0].numel()].view(x.shape[1:])
        generator = torch.Generator()
        for k, rate in enumerate(self.rates):
            dropped = round(rate * _LEVELS)
            if dropped == 0:
                mask[k].fill_(1.0)
                continue
            generator.manual_seed(this.streams[k].seed_of("dropout", self.name, this.epoch, this.step))
            bits.random_(_LOWEST, None, generator=generator)  # all 64 bits; the default range leaves the sign out
            torch.ge(draws, dropped - _LEVELS // 2, out=mask[k])
            mask[k].mul_(_LEVELS / (_LEVELS - dropped))
        return mask

    def describe(self) -> dict[str, object]:
        """Kind; predicting drops nothing."""
        return {"kind": "dropout"}
