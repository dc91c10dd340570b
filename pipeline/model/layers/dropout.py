"""Dropout with a rate for every slot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from pipeline.draws import Stream
from pipeline.model.layers.base import Layer, Pass
from pipeline.stacked import On, Stacked, padded

_LEVELS = 1 << 8  # a unit is kept by comparing 8 random bits, a quarter of the cost of a float
_FINER = 1 << 8  # steps between two levels
_LOWEST = torch.iinfo(torch.int64).min

# SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"), as signed numbers.
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX = ((30, 0xBF58476D1CE4E5B9 - (1 << 64)), (27, 0x94D049BB133111EB - (1 << 64)))


@dataclass
class Dropout(Layer):
    """Inverted dropout (Srivastava et al. 2014): a unit is dropped with the slot's rate, the rest scaled up.

    A rate between two multiples of 1/256 is met over the steps: each draws which of the two it takes, so that the rate
    is exact to 1/65536.

    Batched, the bits are computed from slot, epoch, step and place, not drawn one after the other: other masks of the
    same kind.

    Attributes:
        rates: Probability of dropping a unit, one a slot, in [0, 1).
        name: Names the layer's draws, so that two layers of a network draw apart.
    """

    kind, plain = "dropout", nn.Identity  # predicting drops nothing

    rates: list[float]
    name: str
    rowwise: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        finest = _LEVELS * _FINER
        self._dropped = [min(round(rate * finest), finest - 1) for rate in self.rates]
        self._scales = torch.tensor([finest / (finest - dropped) for dropped in self._dropped]).view(-1, 1)
        self._generator = torch.Generator()  # seeded anew for every draw
        self._bits: dict[tuple[int, int], tuple[tuple[Tensor, ...], Tensor]] = {}
        self._drawn: tuple[object, ...] = ()
        self._whole: tuple[object, ...] = ()

    def bound(self, on: On) -> None:
        """See `Layer`."""
        self._scales = self._scales.to(on.device)
        self._every_dropped = torch.tensor(self._dropped, device=on.device).view(-1, 1)
        self._seeds = torch.zeros_like(self._every_dropped)
        self._drawn = self._whole = ()
        self._counts: dict[tuple[int, int], Tensor] = {}

    def begin(self, streams: Sequence[Stream], epoch: int) -> None:
        """See `Layer`."""
        seeds = [[stream.seed_of("dropout", self.name, epoch)] for stream in streams]
        self._seeds.copy_(torch.tensor(seeds))

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
        mask = self.scratch("mask", *shape)
        if self.batched:
            self._draw_all(mask, this)
        elif self._drawn == (shape, this.streams, this.epoch, this.step, this.cut):
            return mask  # the same pass once more
        else:
            self._draw_each(mask, this)
            self._drawn = (shape, this.streams, this.epoch, this.step, this.cut)
        mask.whole.mul_(self._scales)
        return mask

    def _draw_each(self, mask: Stacked, this: Pass) -> None:
        """Write 0 where a unit is dropped and 1 where it is kept."""
        slots, size = mask.whole.shape
        pieces = _pieces(mask, this)
        if pieces is None:
            self._whole = ()
            mask.whole.copy_(self._kept(slots, size, this))
            return
        size, places = pieces
        # Parts of one batch follow one another, and what is drawn for it is kept.
        whole = (slots, size, this.streams, this.epoch, this.step)
        if self._whole != whole:
            self._kept(slots, size, replace(this, cut=None))
            self._whole = whole
        kept = self._words(slots, size)[1]
        for there, here in places:
            mask.whole[:, here].copy_(kept[:, there])

    def _kept(self, slots: int, size: int, this: Pass) -> Tensor:
        """1 where a unit is kept, else 0: int8 [K, size]."""
        assert this.streams is not None
        words, draws = self._words(slots, size)
        part = () if this.cut is None else (this.cut.number,)
        levels = []
        for bits, dropped, stream in zip(words, self._dropped, this.streams, strict=True):
            seed = stream.seed_of("dropout", self.name, this.epoch, this.step, *part) if dropped else 0
            level = (dropped + seed % _FINER) // _FINER
            if 0 < level < _LEVELS:
                self._generator.manual_seed(seed)
                bits.random_(_LOWEST, None, generator=self._generator)  # all 64 bits; by default without the sign
                levels.append(level - _LEVELS // 2)
            else:
                bits.zero_()
                levels.append(int(level > 0))
        return draws.ge_(torch.tensor(levels, dtype=torch.int8).unsqueeze(1))  # and then copied: twice as fast

    def _draw_all(self, mask: Stacked, this: Pass) -> None:
        """The same for all slots at once."""
        assert this.clock is not None
        seeds = _mixed(self._seeds + this.clock * _GOLDEN)  # [K, 1]
        levels = ((self._every_dropped + seeds % _FINER) // _FINER - 1 - _LEVELS // 2).to(torch.int16)
        count = math.prod(mask.tensor.shape[1:])
        pieces = _pieces(mask, this)
        if pieces is None and this.cut is not None:
            seeds = _mixed(seeds + this.cut.number)
        _, places = pieces or (count, [(slice(0, count), slice(0, count))])
        for there, here in places:
            torch.gt(self._bytes(seeds, there), levels, out=mask.whole[:, here])

    def _bytes(self, seeds: Tensor, units: slice) -> Tensor:
        """The draws of some of all units, int8 [K, N]."""
        first, last = units.start // 8, -(-units.stop // 8)
        if (first, last) not in self._counts:
            self._counts[first, last] = torch.arange(first + 1, last + 1, device=seeds.device) * _GOLDEN
        draws = _mixed(seeds + self._counts[first, last]).view(torch.int8)
        return draws[:, units.start - 8 * first : units.stop - 8 * first]

    def _words(self, slots: int, size: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """Memory for the draws: each slot's 64-bit words to fill, and all as 8-bit numbers [K, size]."""
        if (slots, size) not in self._bits:
            words = torch.empty(slots, size // 8, dtype=torch.int64)
            self._bits[slots, size] = (words.unbind(), words.view(torch.int8))
        return self._bits[slots, size]


def _pieces(mask: Stacked, this: Pass) -> tuple[int, list[tuple[slice, slice]]] | None:
    """Of the mask of a part of a batch the size of that of the whole batch, and where in it which units lie, and here.

    None of a whole batch, and where it is not known which rows the units belong to.
    """
    if this.cut is None or (places := this.cut.places(this.rows)) is None:
        return None
    rows = sum(it.stop - it.start for it in this.rows.values())
    units, left = divmod(math.prod(mask.tensor.shape[1:]), max(rows, 1))
    if left:
        return None
    size = padded((sum(this.cut.counts[source] for source in this.rows), units))
    scaled = [(slice(a.start * units, a.stop * units), slice(b.start * units, b.stop * units)) for a, b in places]
    return size, scaled


def _mixed(numbers: Tensor) -> Tensor:
    """SplitMix64's finaliser on int64, wrapping around."""
    for bits, factor in _MIX:
        numbers = (numbers ^ _shifted(numbers, bits)) * factor
    return numbers ^ _shifted(numbers, 31)


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    """To the right, zeros coming in from the left: torch's own shift brings in the sign."""
    return (numbers >> bits) & ((1 << (64 - bits)) - 1)
