"""Embeddings of the columns of a table: of categories, which are stored as codes, and of numbers.

Legend beside that of `base`: N numbers of a row, which come first, C codes behind them, D values of an embedding, V
codes of all columns together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Declared, Layer, Pass
from pipeline.stacked import On, Stacked


class CategoryEmbeddingModule(nn.Module):
    """The plain module of `CategoryEmbedding`."""

    def __init__(self, numbers: int, sizes: Sequence[int], width: int) -> None:
        super().__init__()
        self.numbers, self.sizes, self.width = numbers, sizes, width
        self.weight = nn.Parameter(torch.zeros(sum(sizes), width))

    def forward(self, x: Tensor) -> Tensor:
        """[B, N + C] -> [B, N + C * D]."""
        codes = x[:, self.numbers :].long() + torch.tensor([0, *accumulate(self.sizes)][:-1])
        return torch.cat([x[:, : self.numbers], self.weight[codes].flatten(1)], 1)


@dataclass
class CategoryEmbedding(Layer):
    """Numbers pass; each code becomes its column's trained vector (Guo & Berkhahn 2016, arXiv 1604.06737).

    Initial values are uniform in +-1/sqrt(D), as in Gorishniy et al. 2021 (arXiv 2106.11959).

    Attributes:
        numbers: N.
        sizes: How many codes each of the C columns has; a code beyond them is none that training can have shown.
        width: D.
        first: Nobody needs the gradient of its input.
    """

    kind, described, plain = "category_embedding", ("numbers", "sizes", "width"), CategoryEmbeddingModule

    numbers: int
    sizes: tuple[int, ...]
    width: int
    first: bool = False

    @property
    def outputs(self) -> int:
        """N + C * D."""
        return self.numbers + len(self.sizes) * self.width

    def parameters(self) -> dict[str, Declared]:
        """All columns' vectors under one another, [V, D]."""
        return {"weight": Declared((sum(self.sizes), self.width), bound=1.0 / math.sqrt(self.width))}

    def units(self, training: bool) -> int:
        """See `Layer`."""
        return (2 if training else 1) * self.outputs

    def bound(self, on: On) -> None:
        """See `Layer`."""
        self._begins = torch.tensor([0, *accumulate(self.sizes)][:-1], device=on.device)
        self._slots = torch.arange(len(self.values["weight"].slots), device=on.device).unsqueeze(1)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, N + C] -> [K, B, N + C * D]."""
        weight = self.values["weight"]
        slots, (shared, rows, _) = len(weight.slots), x.tensor.shape
        self._codes = Stacked((x.tensor[:, :, self.numbers :].long() + self._begins).view(shared, -1))
        y = self.scratch("y", slots, rows, self.outputs)
        y.tensor[:, :, : self.numbers] = x.tensor[:, :, : self.numbers]
        vectors = y.tensor[:, :, self.numbers :].unflatten(2, (len(self.sizes), self.width))
        if self.batched:
            found = weight.tensor[self._slots, self._codes.tensor.expand(slots, -1)]
            vectors.copy_(found.view(vectors.shape))
            return y
        for table, own, out in zip(weight.slots, self._codes.each(slots), vectors.unbind(), strict=True):
            out.copy_(table.index_select(0, own).view(out.shape))
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, N + C * D] -> [K, B, N + C]; a code has no gradient."""
        weight = self.grads["weight"]
        slots = len(weight.slots)
        slopes = grad.tensor[:, :, self.numbers :].reshape(slots, -1, self.width)
        weight.tensor.zero_()
        if self.batched:
            codes = self._codes.tensor.expand(slots, -1)
            weight.tensor.index_put_((self._slots, codes), slopes, accumulate=True)
        else:
            for table, own, slope in zip(weight.slots, self._codes.each(slots), slopes.unbind(), strict=True):
                table.index_add_(0, own, slope)
        if self.first:
            return None
        back = self.scratch("back", *grad.tensor.shape[:2], self.numbers + len(self.sizes))
        back.tensor[:, :, : self.numbers] = grad.tensor[:, :, : self.numbers]
        back.tensor[:, :, self.numbers :] = 0.0
        return back


class NumberEmbeddingModule(nn.Module):
    """The plain module of `NumberEmbedding`."""

    def __init__(self, numbers: int, width: int) -> None:
        super().__init__()
        self.numbers, self.width = numbers, width
        self.weight, self.bias = (nn.Parameter(torch.zeros(numbers, width)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, N + C] -> [B, N * D + C]."""
        vectors = torch.relu(torch.addcmul(self.bias, x[:, : self.numbers, None], self.weight))
        return torch.cat([vectors.flatten(1), x[:, self.numbers :]], 1)


@dataclass
class NumberEmbedding(Layer):
    """Each number becomes a vector relu(w x + b) of its own; codes pass.

    It is "LR" of Gorishniy et al. 2022 (arXiv 2203.05556).

    Attributes:
        numbers: N.
        codes: C.
        width: D.
    """

    kind, described, plain = "number_embedding", ("numbers", "width"), NumberEmbeddingModule

    numbers: int
    codes: int
    width: int

    @property
    def outputs(self) -> int:
        """N * D + C."""
        return self.numbers * self.width + self.codes

    def parameters(self) -> dict[str, Declared]:
        """Factors and shifts [N, D], uniform in +-1/sqrt(D)."""
        bound = 1.0 / math.sqrt(self.width)
        return {name: Declared((self.numbers, self.width), bound) for name in ("weight", "bias")}

    def units(self, training: bool) -> int:
        """See `Layer`."""
        return (2 if training else 1) * self.outputs

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, N + C] -> [K, B, N * D + C]."""
        weight, bias = (self.values[name].tensor.unsqueeze(1) for name in ("weight", "bias"))
        self._x = x.tensor[:, :, : self.numbers].unsqueeze(3)
        y = self.scratch("y", len(weight), x.tensor.size(1), self.outputs)
        self._y = self._vectors(y.tensor)
        torch.addcmul(bias, weight, self._x, out=self._products(y.tensor))
        self._y.copy_(self._products(y.tensor).clamp_min_(0.0))
        y.tensor[:, :, y.tensor.size(2) - self.codes :] = x.tensor[:, :, self.numbers :]
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> None:
        """[K, B, N * D + C]: nobody needs the gradient of a table."""
        slopes = torch.mul(self._vectors(grad.tensor), self._y > 0, out=self._products(grad.tensor))
        torch.sum(slopes, 1, out=self.grads["bias"].tensor)
        torch.sum(slopes.mul_(self._x), 1, out=self.grads["weight"].tensor)

    def _vectors(self, rows: Tensor) -> Tensor:
        """The embeddings among a row's values, [K, B, N, D]."""
        return rows[:, :, : self.numbers * self.width].unflatten(2, (self.numbers, self.width))

    def _products(self, like: Tensor) -> Tensor:
        """Memory for [K, B, N, D]."""
        return self.scratch("products", *like.shape[:2], self.numbers, self.width).tensor


def embedded(
    features: int, sizes: Sequence[int], category_width: int, number_width: int | None
) -> tuple[list[Layer], int]:
    """The layers that read the rows of a table, and the width of what they answer.

    Args:
        features: N + C.
        sizes: How many codes each of the C columns has.
        category_width: D of the categories.
        number_width: D of the numbers; None passes them as they are.
    """
    layers: list[Layer] = []
    numbers = features - len(sizes)
    width = features
    if number_width and numbers:
        numeric = NumberEmbedding(numbers, len(sizes), number_width)
        layers.append(numeric)
        numbers, width = numbers * number_width, numeric.outputs
    if sizes:
        categories = CategoryEmbedding(numbers, tuple(sizes), category_width, first=not layers)
        layers.append(categories)
        width = categories.outputs
    return layers, width
