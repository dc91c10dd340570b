"""Data structures of a stack: memory with a leading axis of slots, and the inputs and targets of a batch.

Shapes, here and in `pipeline.model`:
    K slots in the stack; S is 1 if all slots share their data, else K
    B rows of a batch
    F, I, O features of a row, inputs and outputs of a layer

Each slot's memory starts at a multiple of 128 bytes and is padded to one. So all slots have the same alignment (on
which a matrix product's last bit depends), and an elementwise call over the whole padded memory processes every slot at
the same position of its vectors, without a scalar remainder whose last bit differs: a slot's values do not depend on K.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

_ALIGNED = 32  # float32 values: two AVX-512 vectors, the step of torch's vectorised loops

MISSING = -1
"""The class of a row without one, as in prepared data; a missing number is NaN."""


@dataclass(frozen=True)
class On:
    """The device of a stack, and how operations are executed on it.

    Attributes:
        device: Torch's name of the device.
        batched: Whether one operation processes all slots; results are then not bitwise the same for every K.
    """

    device: str = "cpu"
    batched: bool = False

    @classmethod
    def named(cls, device: str) -> "On":
        """A device by its name; operations are batched on all devices but the CPU."""
        return cls(device, device != "cpu")


HOST = On()


class Stacked:
    """A stacked tensor with cached views of its slots: creating a view costs as much as a small product.

    Attributes:
        tensor: Tensor [K, *shape], or [1, *shape] if all slots share it.
        slots: Views [*shape], one per slot of the tensor.
        flat: The padded memory of the tensor; None if it has none, as a view of some rows.
        spare: Whether its creator no longer needs it, so that a reader may overwrite it.
    """

    def __init__(self, tensor: Tensor, flat: Tensor | None = None, spare: bool = False) -> None:
        self.tensor, self.flat, self.spare = tensor, flat, spare
        self.slots = tensor.unbind()
        self._parts: dict[tuple[int, int], Stacked] = {}
        self._columns: dict[tuple[int, int], Stacked] = {}

    def each(self, slots: int) -> tuple[Tensor, ...]:
        """Views [*shape], one per slot; a tensor shared by all slots is repeated."""
        return self.slots if len(self.slots) == slots else self.slots * slots

    @property
    def whole(self) -> Tensor:
        """The padded memory; the tensor must have one."""
        assert self.flat is not None
        return self.flat

    @cached_property
    def turned(self) -> "Stacked":
        """The transposes of the slots, without flat memory."""
        return Stacked(self.tensor.mT)

    @property
    def lies_turned(self) -> bool:
        """Whether rows [K, B, I] are stored as [K, I, B], contiguous within a slot."""
        rows = self.tensor.size(1)
        return self.tensor.stride(2) == rows and (rows == 1 or self.tensor.stride(1) == 1)

    def part(self, rows: slice) -> "Stacked":
        """A range of rows of every slot, cached; it can have several readers, so it is not spare."""
        key = (rows.start, rows.stop)
        if key not in self._parts:
            whole = key == (0, self.tensor.size(1))
            self._parts[key] = Stacked(self.tensor[:, rows], self.flat if whole else None)
        return self._parts[key]

    def columns(self, values: slice) -> "Stacked":
        """A range of columns of every row, cached as in `part`."""
        key = (values.start, values.stop)
        if key not in self._columns:
            whole = key == (0, self.tensor.size(2))
            self._columns[key] = Stacked(self.tensor[:, :, values], self.flat if whole else None)
        return self._columns[key]


class Scratch:
    """Stacked buffers that are allocated once and reused.

    Args:
        device: Device of the buffers.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._buffers: dict[tuple[str, tuple[int, ...]], Stacked] = {}

    def __call__(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Stacked:
        """The buffer [K, ...] with a name and shape; its content is that of its last use."""
        key = (name, shape)
        if key not in self._buffers:
            flat = torch.zeros(shape[0], padded(shape[1:]), dtype=dtype, device=self._device)
            self._buffers[key] = Stacked(_unpadded(flat, shape), flat, spare=True)
        return self._buffers[key]


class Inputs:
    """The rows of a batch by source; sources with rows of the same size are concatenated in one block of memory.

    Args:
        blocks: Stacked rows [S, B, F], each with the range of every source in it.
    """

    def __init__(self, blocks: list[tuple[Stacked, dict[str, slice]]]) -> None:
        self._blocks = blocks
        self._seen: dict[tuple[str, ...], tuple[Stacked, dict[str, slice]] | None] = {}

    @classmethod
    def of(cls, rows: Mapping[str, Tensor]) -> "Inputs":
        """Concatenate separate rows [S, B, F] of each source."""
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
        """The rows of the given sources that are in the batch, with each source's range; None if there are none."""
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
    """One task's targets of a batch: [S, B], or [S, B, L] for L labels; [S, B * T] for tags, one token per row.

    Attributes:
        values: Classes as int64, or float32 values; 0 if missing.
        labelled: 1 if there is a target, else 0; float32.
        share: Each target's share in the mean over the targets of the batch, 0 if missing; float32.
    """

    values: Tensor
    labelled: Tensor
    share: Tensor

    @classmethod
    def of(cls, stored: Tensor) -> "Targets":
        """From stored targets: int64, -1 if missing, or float32, NaN if missing; tags are [S, B, T]."""
        stored = _rows_of(stored)
        missing = missing_in(stored)
        labelled = (~missing).float()
        there = labelled.flatten(1).sum(1).clamp_min_(1).view(-1, *[1] * (stored.dim() - 1))
        return cls(stored.masked_fill(missing, 0), labelled, labelled / there)

    @classmethod
    def complete(cls, stored: Tensor) -> "Targets":
        """From stored targets of which none is missing."""
        stored = _rows_of(stored)
        ones = torch.ones_like(stored, dtype=torch.float32)
        return cls(stored, ones, ones / max(math.prod(stored.shape[1:]), 1))

    def like(self, stored: Tensor) -> "Targets":
        """Other targets of the same shape, of which none is missing either."""
        return Targets(_rows_of(stored), self.labelled, self.share)

    def part(self, rows: slice, of: int) -> "Targets":
        """Those of some rows of the batch, which has so many; their shares stay those in the whole batch's mean."""
        times = self.values.size(1) // of if of else 1  # tags have a row a token
        here = slice(rows.start * times, rows.stop * times)
        return Targets(self.values[:, here], self.labelled[:, here], self.share[:, here])

    def weighted(self, weights: Tensor) -> "Targets":
        """The targets with shares multiplied by weights, those of all slots or of each.

        Args:
            weights: [1 or S, C] by class, or [1 or S, 2, L] by absence and presence of a label.
        """
        if weights.dim() == 2:
            own = weights.expand(len(self.values), -1).gather(1, self.values)
        else:
            own = torch.where(self.values > 0, weights[:, 1:], weights[:, :1])
        return Targets(self.values, self.labelled, self.share * own)


@dataclass(frozen=True)
class Cut:
    """A part of a batch, which passes by itself.

    Attributes:
        number: Of the part.
        rows: By source, which rows of the batch it has.
        counts: By source, how many rows the batch has.
    """

    number: int
    rows: Mapping[str, slice] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def places(self, rows: Mapping[str, slice]) -> list[tuple[slice, slice]] | None:
        """Where the rows of a pass lie in one of the whole batch: places of each source there, and here.

        None where the pass has other rows than the part, such as those of a source for each of its tasks.

        >>> Cut(1, {"a": slice(2, 4)}, {"a": 4}).places({"a": slice(0, 2)})
        [(slice(2, 4, None), slice(0, 2, None))]
        """
        found, start = [], 0
        for source, here in rows.items():
            own = self.rows.get(source)
            if own is None or own.stop - own.start != here.stop - here.start:
                return None
            found.append((slice(start + own.start, start + own.stop), here))
            start += self.counts[source]
        return found


def _rows_of(stored: Tensor) -> Tensor:
    """Tags [S, B, T] as [S, B * T]; other targets unchanged."""
    return stored if stored.dim() < 3 or stored.is_floating_point() else stored.flatten(1)


def missing_in(stored: Tensor) -> Tensor:
    """Mask of the stored targets that are missing, bool of the same shape."""
    return stored.isnan() if stored.is_floating_point() else stored == MISSING


def places(counts: Mapping[str, int]) -> dict[str, slice]:
    """The range of each source's rows when they are concatenated."""
    found, start = {}, 0
    for source, count in counts.items():
        found[source] = slice(start, start + count)
        start += count
    return found


def padded(shape: tuple[int, ...]) -> int:
    """The size of a tensor in float32 values, rounded up to a multiple of 128 bytes."""
    return -(-math.prod(shape) // _ALIGNED) * _ALIGNED


def slotted(*shape: int, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Tensor:
    """An uninitialised stacked tensor [slots, ...], each slot of which starts at a multiple of 32 values."""
    return _unpadded(torch.empty(shape[0], padded(shape[1:]), dtype=dtype, device=device), shape)


def _unpadded(flat: Tensor, shape: tuple[int, ...]) -> Tensor:
    return flat[:, : math.prod(shape[1:])].view(shape)
