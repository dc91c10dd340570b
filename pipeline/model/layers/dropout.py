"""Dropout with a rate for every slot."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.layers.base import Layer, Pass
from pipeline.stacked import Stacked

_LEVELS = 1 << 8  # a unit is kept by comparing 8 random bits, a quarter of the cost of a float
_FINER = 1 << 8  # steps between two levels
_LOWEST = torch.iinfo(torch.int64).min


@dataclass
class Dropout(Layer):
    """Inverted dropout (Srivastava et al. 2014): a unit is dropped with the slot's rate, the rest scaled up.

    A rate between two multiples of 1/256 is met over the steps: each draws which of the two it takes, so that the rate
    is exact to 1/65536.

    Attributes:
        rates: Probability of dropping a unit, one a slot, in [0, 1).
        name: Names the layer's draws, so that two layers of a network draw apart.
    """

    rates: list[float]
    name: str

    def __post_init__(self) -> None:
        finest = _LEVELS * _FINER
        self._dropped = [min(round(rate * finest), finest - 1) for rate in self.rates]
        self._scales = torch.tensor([finest / (finest - dropped) for dropped in self._dropped]).view(-1, 1)
        self._generator = torch.Generator()  # seeded anew for every draw
        self._bits: dict[torch.Size, tuple[Tensor, Tensor]] = {}

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, I] -> [K, B, I]; the identity when evaluating."""
        self._mask = self._draw(x.tensor.shape, this) if this.training and any(self._dropped) else None
        return x if self._mask is None else self._masked(x, self._mask, "y")

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        return grad if self._mask is None else self._masked(grad, self._mask, "back")

    def _masked(self, x: Stacked, mask: Stacked, name: str) -> Stacked:
        masked = x if x.spare else self.scratch(name, *x.tensor.shape)
        torch.mul(x.tensor, mask.tensor, out=masked.tensor)
        return masked

    def _draw(self, shape: torch.Size, this: Pass) -> Stacked:
        """What each unit is multiplied by: 0, or 1 / (1 - rate)."""
        assert this.streams is not None
        mask = self.scratch("mask", *shape)
        bits, draws = self._words(shape[1:])
        for kept, dropped, stream in zip(mask.slots, self._dropped, this.streams, strict=True):
            seed = stream.seed_of("dropout", self.name, this.epoch, this.step) if dropped else 0
            level = (dropped + seed % _FINER) // _FINER
            if level == 0:
                kept.fill_(1.0)
                continue
            self._generator.manual_seed(seed)
            bits.random_(_LOWEST, None, generator=self._generator)  # all 64 bits; the default range leaves the sign out
            torch.gt(draws, level - 1 - _LEVELS // 2, out=kept)
        mask.whole.mul_(self._scales)
        return mask

    def _words(self, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """Memory for one slot's draws: as 64-bit words to fill, and as 8-bit numbers [B, I] to read."""
        if shape not in self._bits:
            words = torch.empty(-(-shape.numel() // 8), dtype=torch.int64)
            self._bits[shape] = (words, words.view(torch.int8)[: shape.numel()].view(shape))
        return self._bits[shape]

    def describe(self) -> dict[str, object]:
        """Kind; predicting drops nothing."""
        return {"kind": "dropout"}
