"""Dropout with a rate for every slot."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.layers.base import Layer, Pass, Stacked

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

    def __post_init__(self) -> None:
        self._dropped = [min(round(rate * _LEVELS), _LEVELS - 1) for rate in self.rates]
        self._scales = torch.tensor([_LEVELS / (_LEVELS - dropped) for dropped in self._dropped]).view(-1, 1, 1)
        self._generator = torch.Generator()  # seeded anew for every draw
        self._bits: dict[torch.Size, tuple[Tensor, Tensor]] = {}

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, I] -> [K, B, I]; the identity when evaluating."""
        self._mask = self._draw(x.tensor.shape, this) if this.training and any(self._dropped) else None
        return x if self._mask is None else self._masked(x, self._mask, "y")

    def backward(self, grad: Stacked) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        return grad if self._mask is None else self._masked(grad, self._mask, "back")

    def _masked(self, x: Stacked, mask: Tensor, name: str) -> Stacked:
        masked = self.scratch(name, *x.tensor.shape)
        torch.mul(x.tensor, mask, out=masked.tensor)
        return masked

    def _draw(self, shape: torch.Size, this: Pass) -> Tensor:
        """What each unit is multiplied by: 0, or 1 / (1 - rate)."""
        assert this.streams is not None
        mask = self.scratch("mask", *shape)
        bits, draws = self._words(shape[1:])
        for kept, dropped, stream in zip(mask.slots, self._dropped, this.streams, strict=True):
            if dropped == 0:
                kept.fill_(1.0)
                continue
            self._generator.manual_seed(stream.seed_of("dropout", self.name, this.epoch, this.step))
            bits.random_(_LOWEST, None, generator=self._generator)  # all 64 bits; the default range leaves the sign out
            torch.ge(draws, dropped - _LEVELS // 2, out=kept)
        return mask.tensor.mul_(self._scales)

    def _words(self, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """Memory for one slot's draws: as 64-bit words to fill, and as 16-bit numbers [B, I] to read."""
        if shape not in self._bits:
            words = torch.empty(-(-shape.numel() // 4), dtype=torch.int64)
            self._bits[shape] = (words, words.view(torch.int16)[: shape.numel()].view(shape))
        return self._bits[shape]

    def describe(self) -> dict[str, object]:
        """Kind; predicting drops nothing."""
        return {"kind": "dropout"}
