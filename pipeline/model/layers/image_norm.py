"""Batch normalisation of images, composed of calls for all slots as in `norm`."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Pass
from pipeline.model.layers.images import ImageLayer
from pipeline.model.layers.norm import EPSILON, MOMENTUM, Group, RunningNorm, groups_of, statistic
from pipeline.stacked import Stacked

_OVER = (2, 3)  # pixels and rows of [K, C, H * W, B]


@dataclass
class BatchNorm2d(RunningNorm, ImageLayer):
    """Batch normalisation (Ioffe & Szegedy 2015) of each channel over all pixels, by every slot's own statistics.

    A step that brings a single row is normalised by the running statistics, as `BatchNorm` does.

    Attributes:
        sources: With names, each source's rows are normalised apart, by statistics of their own.
    """

    kind, described = "batch_norm2d", ("shape", "width", "sources", "epsilon")
    plain = staticmethod(lambda _, width, __, epsilon: nn.BatchNorm2d(width, epsilon))

    sources: tuple[str, ...] = ()
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.width = self.shape[0]

    def units(self, training: bool) -> int:
        """See `Layer`: its answer, the centred values, products, and the input's gradient."""
        return (4 if training else 3) * self.outputs

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, C * H * W] -> [K, B, C * H * W]."""
        given = self._flat(x, "x")
        y, products = (self.turned_scratch(it, *x.tensor.shape) for it in ("y", "products"))
        self._centred = self.turned_scratch("centred", *x.tensor.shape)
        answer, squares, centred = (self._flat(it, "") for it in (y, products, self._centred))
        weight, bias = (self.values[name].tensor for name in ("weight", "bias"))
        self._groups = groups_of(self.sources, this, x.tensor.size(1))
        at, scale = (self._beside(name, given) for name in ("at", "scale"))
        learns = any(training for *_, training in self._groups)
        for (group, rows, training), total in self._totals(given, "at", learns):
            mean = self.buffers[statistic("mean", group)].tensor
            if training:
                mean.lerp_(total.div_(self._count(rows)), MOMENTUM)
            at[..., rows] = _wide(total if training else mean)
        torch.sub(given, at, out=centred)
        if learns:
            torch.mul(centred, centred, out=squares)
        for (group, rows, training), spread in self._totals(squares, "spread", learns):
            variance, count = self.buffers[statistic("variance", group)].tensor, self._count(rows)
            if training:
                spread.div_(count)
                variance.mul_(1 - MOMENTUM).add_(spread, alpha=MOMENTUM * count / (count - 1))
            else:
                spread.copy_(variance)
            spread.add_(EPSILON).rsqrt_()
            scale[..., rows] = _wide(spread * weight)
        torch.mul(centred, scale, out=answer).add_(_wide(bias))
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, C * H * W] -> [K, B, C * H * W]."""
        back, products = (self.turned_scratch(it, *grad.tensor.shape) for it in ("back", "products"))
        slopes, out, product, centred = (
            self._flat(it, name) for it, name in ((grad, "grad"), (back, ""), (products, ""), (self._centred, ""))
        )
        for name in ("weight", "bias"):
            self.grads[name].tensor.zero_()
        shifts, stretches, scale = (self._beside(name, slopes) for name in ("shifts", "stretches", "scale"))
        torch.mul(slopes, centred, out=product)
        both = zip(self._totals(slopes, "shift"), self._totals(product, "stretch"), strict=True)
        for ((group, rows, training), shift), (_, stretch) in both:
            spread = self._vectors(f"spread.{group}", len(shift))
            self.grads["bias"].tensor.add_(shift)
            self.grads["weight"].tensor.add_(stretch.mul_(spread))
            own = training / self._count(rows)  # rows that running statistics normalised do not move them
            shifts[..., rows] = _wide(shift.mul_(own))
            stretches[..., rows] = _wide(stretch.mul_(spread).mul_(own))
        torch.sub(slopes, shifts, out=out).sub_(torch.mul(centred, stretches, out=product)).mul_(scale)
        return back

    def _totals(self, values: Tensor, name: str, needed: bool = True) -> Iterator[tuple[Group, Tensor]]:
        """The groups, each with memory [K, C] and in it, where needed, the sums of its values [K, C, H * W, B].

        One group is summed in one go; of several, each row first: their rows lie too scattered to be read apart.
        """
        one = len(self._groups) == 1
        if needed and not one:
            each = torch.sum(values, 2, out=self._rows(f"{name}.rows", values))
        for group, rows, training in self._groups:
            total = self._vectors(f"{name}.{group}", len(values))
            if needed:
                _ = torch.sum(values, _OVER, out=total) if one else torch.sum(each[..., rows], 2, out=total)
            yield (group, rows, training), total

    def _count(self, rows: slice) -> int:
        """Values of a channel in these rows."""
        return self.shape[1] * self.shape[2] * (rows.stop - rows.start)

    def _beside(self, name: str, values: Tensor) -> Tensor:
        """Memory for what goes with values [K, C, H * W, B]: [K, C, 1, B], or [K, C, 1, 1] where rows are alike."""
        if len(self._groups) == 1:
            return self._vectors(name, len(values))[..., None, None]
        return self._rows(name, values).unsqueeze(2)

    def _rows(self, name: str, values: Tensor) -> Tensor:
        """Memory [K, C, B] beside values [K, C, H * W, B]."""
        return self.scratch(name, len(values), self.width, values.size(3)).tensor

    def _flat(self, it: Stacked, name: str) -> Tensor:
        """[K, B, F] as [K, C, H * W, B]."""
        return self.images(it, self.shape, name).flatten(2, 3)


def _wide(vectors: Tensor) -> Tensor:
    """[K, C] beside [K, C, H * W, B]."""
    return vectors[..., None, None]
