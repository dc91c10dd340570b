"""Sums as a binary tree over numbered parts: 2i with 2i + 1, and so on.

Floating-point addition depends on its order. That of a tree depends on the number of parts alone: whoever has a whole
subtree of it can add that by itself, and the sums of subtrees are added as the upper levels.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class Tree:
    """Adds tensors by name, part after part, in memory that is allocated once.

    Args:
        shapes: Of the tensors.
        parts: How many there are, a power of two.
        device: Where they lie.
    """

    def __init__(self, shapes: Mapping[str, Sequence[int]], parts: int, device: str = "cpu") -> None:
        self._parts = parts
        # A part is added to its neighbour where it is, so that as many sums wait as the tree has levels.
        self._free = [_Sums(shapes, device) for _ in range(max(parts.bit_length() - 1, 1))]
        self._waiting: dict[int, _Sums] = {}

    def add(self, number: int, tensors: Mapping[str, Tensor]) -> None:
        """Add the next part, counted from 0; what it has no tensor of is 0."""
        if number % 2 == 0:
            sums, level = self._free.pop(), 0
            sums.set(tensors)
        else:
            sums, level = self._waiting.pop(0), 1
            sums.add(tensors)
        while number >> level & 1:
            left = self._waiting.pop(level)
            left.flat.add_(sums.flat)
            self._free.append(sums)
            sums, level = left, level + 1
        self._waiting[level] = sums

    def total(self) -> "_Sums":
        """The sum over all parts; valid until the next is added."""
        (sums,) = self._waiting.values()
        self._waiting.clear()
        self._free.append(sums)
        return sums


class _Sums:
    """Tensors that lie one behind the other."""

    def __init__(self, shapes: Mapping[str, Sequence[int]], device: str) -> None:
        sizes = [math.prod(shape) for shape in shapes.values()]
        self.flat = torch.zeros(sum(sizes), device=device)
        parts = zip(shapes.items(), self.flat.split(sizes), strict=True)
        self.of = {name: part.view(*shape) for (name, shape), part in parts}

    def set(self, tensors: Mapping[str, Tensor]) -> None:
        for name, own in self.of.items():
            _ = own.copy_(tensors[name]) if name in tensors else own.zero_()

    def add(self, tensors: Mapping[str, Tensor]) -> None:
        for name, own in self.of.items():
            own.add_(tensors.get(name, 0.0))  # also where nothing is added: -0 becomes 0, as between subtrees


def tree_sum(parts: Sequence[Tensor | None]) -> Tensor:
    """The sum over parts, a power of two of them, at least one of which there is."""
    while len(parts) > 1:
        parts = [_both(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    assert parts[0] is not None
    return parts[0]


def _both(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return one + other if one is not None and other is not None else other if one is None else one
