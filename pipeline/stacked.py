"""What a stack passes around: memory with a leading axis of slots, and the inputs and targets of a batch.

Legend of shapes, here and in `pipeline.model`:
    K slots in the stack; S is 1 where all slots share their data, else K
    B rows of a batch
    F, I, O features of a row, inputs and outputs of a layer

Each slot's memory starts at a multiple of 128 bytes and is padded to one. So all slots are aligned alike (a matrix
product's last bit depends on it), and one elementwise call over the whole padded memory meets every slot in the same
place of its vectors, with no scalar remainder whose last bit differs: a slot's values do not depend on K.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

_ALIGNED = 32  # float32 values: two AVX-512 vectors, which is what torch's vectorised loops take at a time

MISSING = -1
"""The class of a row that has none, as prepared data store it; a missing number is NaN."""


@dataclass(frozen=True)
class On:
    """Where a stack's memory lies, and how its calls are made there.

    Attributes:
        device: As torch names it.
        batched: One call is for all slots, and no longer bitwise the same for every K.
    """

    device: str = "cpu"
    batched: bool = False

    @classmethod
    def named(cls, device: str) -> "On":
        """Calls are batched everywhere but on the CPU."""
        return cls(device, device != "cpu")


HOST = On()


class Stacked:
    """A stacked tensor and its slots, viewed once: making a view costs as much as a small product.

    Attributes:
        tensor: [K, *shape], or [1, *shape] where all slots share it.
        slots: Views [*shape], one a slot of the tensor.
        flat: The padded memory behind it; None where there is none, as in a view of some rows.
        spare: Whoever made it needs it no more: who reads it may write over it.
    """

    def __init__(self, tensor: Tensor, flat: Tensor | None = None, spare: bool = False) -> None:
        self.tensor, self.flat, self.spare = tensor, flat, spare
        self.slots = tensor.unbind()
        self._parts: dict[tuple[int, int], Stacked] = {}
        self._columns: dict[tuple[int, int], Stacked] = {}

    def each(self, slots: int) -> tuple[Tensor, ...]:
        """Views [*shape], one for each of so many slots."""
        return self.slots if len(self.slots) == slots else self.slots * slots

    @property
    def whole(self) -> Tensor:
        """The padded memory of a buffer of one's own."""
        assert self.flat is not None
        return self.flat

    @cached_property
    def turned(self) -> "Stacked":
        """The transposes; elementwise calls over flat memory do not apply to them."""
        return Stacked(self.tensor.mT)

    @property
    def lies_turned(self) -> bool:
        """Whether rows [K, B, I] lie in memory as [K, I, B], without gaps within a slot."""
        rows = self.tensor.size(1)
        return self.tensor.stride(2) == rows and (rows == 1 or self.tensor.stride(1) == 1)

    def part(self, rows: slice) -> "Stacked":
        """Some rows of every slot, the same object each time; several may read them, so they are not spare."""
        key = (rows.start, rows.stop)
        if key not in self._parts:
            whole = key == (0, self.tensor.size(1))
            self._parts[key] = Stacked(self.tensor[:, rows], self.flat if whole else None)
        return self._parts[key]

    def columns(self, values: slice) -> "Stacked":
        """Some values of every row, as `part` has some rows."""
        key = (values.start, values.stop)
        if key not in self._columns:
            whole = key == (0, self.tensor.size(2))
            self._columns[key] = Stacked(self.tensor[:, :, values], self.flat if whole else None)
        return self._columns[key]


class Scratch:
    """Stacked buffers that are made once and then used again.

    Args:
        device: Where they lie.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._buffers: dict[tuple[str, tuple[int, ...]], Stacked] = {}

    def __call__(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Stacked:
        """The buffer [K, ...] of this name and shape, with whatever was last written to it."""
        key = (name, shape)
        if key not in self._buffers:
            flat = torch.zeros(shape[0], padded(shape[1:]), dtype=dtype, device=self._device)
            self._buffers[key] = Stacked(_unpadded(flat, shape), flat, spare=True)
        return self._buffers[key]


class Inputs:
    """The rows of a batch by source, those of sources with equally long rows under one another in one piece of memory.

    Args:
        blocks: Stacked rows [S, B, F], and which of them are whose.
    """

    def __init__(self, blocks: list[tuple[Stacked, dict[str, slice]]]) -> None:
        self._blocks = blocks
        self._seen: dict[tuple[str, ...], tuple[Stacked, dict[str, slice]] | None] = {}

    @classmethod
    def of(cls, rows: Mapping[str, Tensor]) -> "Inputs":
        """From the rows [S, B, F] of each source apart."""
        blocks = []
        for features in dict.fromkeys(x.size(-1) for x in rows.values()):
            alike = {source: x for source, x in rows.items() if x.size(-1) == features}
            found = places({source: x.size(1) for source, x in alike.items()})
            total = sum(x.size(1) for x in alike.values())
            first = next(iter(alike.values()))
            joined = slotted(first.size(0), total, features, device=first.device)
            for source, x in alike.items():
                joined[:, found[source]] = x
            blocks.append((Stacked(joined), found))
        return cls(blocks)

    def __getitem__(self, source: str) -> Tensor:
        found = self.under((source,))
        if found is None:
            raise KeyError(source)
        return found[0].tensor

    def __iter__(self) -> Iterator[str]:
        return (source for _, rows in self._blocks for source in rows)

    def under(self, sources: tuple[str, ...]) -> tuple[Stacked, dict[str, slice]] | None:
        """The rows of those of these sources that are here, and where each source's are; None where none are."""
        if sources not in self._seen:
            self._seen[sources] = self._under(sources)
        return self._seen[sources]

    def _under(self, sources: tuple[str, ...]) -> tuple[Stacked, dict[str, slice]] | None:
        for x, rows in self._blocks:
            mine = {source: where for source, where in rows.items() if source in sources}
            if mine:
                start, stop = min(it.start for it in mine.values()), max(it.stop for it in mine.values())
                assert sum(it.stop - it.start for it in mine.values()) == stop - start
                shifted = {source: slice(it.start - start, it.stop - start) for source, it in mine.items()}
                return x.part(slice(start, stop)), shifted
        return None


@dataclass(frozen=True)
class Targets:
    """One task's targets of a batch: [S, B], or [S, B, L] of L labels at once; of tags [S, B * T], a token a row.

    Attributes:
        values: int64 numbers of classes, or float32; 0 where missing.
        labelled: float32: 1, or 0 where the target is missing.
        share: float32: each target's share in the mean over those that are there; 0 where it is missing.
    """

    values: Tensor
    labelled: Tensor
    share: Tensor

    @classmethod
    def of(cls, stored: Tensor) -> "Targets":
        """From targets as they are stored: int64, -1 where missing, or float32, NaN where missing; tags [S, B, T]."""
        stored = _rows_of(stored)
        missing = missing_in(stored)
        labelled = (~missing).float()
        there = labelled.flatten(1).sum(1).clamp_min_(1).view(-1, *[1] * (stored.dim() - 1))
        return cls(stored.masked_fill(missing, 0), labelled, labelled / there)

    @classmethod
    def complete(cls, stored: Tensor) -> "Targets":
        """The same where nothing is missing."""
        stored = _rows_of(stored)
        ones = torch.ones_like(stored, dtype=torch.float32)
        return cls(stored, ones, ones / max(math.prod(stored.shape[1:]), 1))

    def like(self, stored: Tensor) -> "Targets":
        """Other targets of this shape, of which as many are missing: none."""
        return Targets(_rows_of(stored), self.labelled, self.share)

    def weighted(self, weights: Tensor) -> "Targets":
        """The same with shares multiplied by weights: [C] by class, or [2, L] by absence and presence of each label."""
        own = weights[self.values] if weights.dim() == 1 else torch.where(self.values > 0, weights[1], weights[0])
        return Targets(self.values, self.labelled, self.share * own)


def _rows_of(stored: Tensor) -> Tensor:
    """Tags [S, B, T] as [S, B * T]; any others as they are."""
    return stored if stored.dim() < 3 or stored.is_floating_point() else stored.flatten(1)


def missing_in(stored: Tensor) -> Tensor:
    """Which stored targets are missing, bool of the same shape."""
    return stored.isnan() if stored.is_floating_point() else stored == MISSING


def places(counts: Mapping[str, int]) -> dict[str, slice]:
    """Where each source's rows lie when they are put under one another."""
    found, start = {}, 0
    for source, count in counts.items():
        found[source] = slice(start, start + count)
        start += count
    return found


def padded(shape: tuple[int, ...]) -> int:
    """How many float32 values a tensor of this shape takes up to the next multiple of 128 bytes."""
    return -(-math.prod(shape) // _ALIGNED) * _ALIGNED


def slotted(*shape: int, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Tensor:
    """An empty stacked tensor [slots, ...] whose slots each start at a multiple of 32 values."""
    return _unpadded(torch.empty(shape[0], padded(shape[1:]), dtype=dtype, device=device), shape)


def _unpadded(flat: Tensor, shape: tuple[int, ...]) -> Tensor:
    return flat[:, : math.prod(shape[1:])].view(shape)
