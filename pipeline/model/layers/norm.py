"""Normalisation, composed of calls for all slots: torch's own batch norm takes one slot, and twice as long."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Declared, Layer, Pass
from pipeline.model.layers.plain import Description
from pipeline.stacked import Stacked

EPSILON = 1e-5
"""Added to a variance."""

MOMENTUM = 0.1
"""The share of a step's statistics in the running ones."""

Group = tuple[str, slice, bool]
"""Name, rows, and whether they are normalised by their own statistics, which takes more than one row."""

_ALL = ""  # the one group of rows when sources are normalised together


class Norm(Layer):
    """A layer that normalises, and then scales and shifts each of I units or channels."""

    epsilon = EPSILON
    width: int

    def parameters(self) -> dict[str, Declared]:
        """Scale and shift [I], shared by the sources."""
        return {"weight": Declared((self.width,), constant=1.0), "bias": Declared((self.width,))}

    def units(self, training: bool) -> int:
        """See `Layer`: what is normalised, and on the way there and back."""
        return (4 if training else 1) * self.width

    def _vectors(self, name: str, slots: int) -> Tensor:
        """Memory for a value a unit in each slot, [K, I]."""
        return self.scratch(name, slots, self.width).tensor


class RunningNorm(Norm):
    """One that keeps running statistics of each group of rows: of all, or of each source's."""

    sources: tuple[str, ...]

    def statistics(self) -> dict[str, Declared]:
        """Running mean and variance [I] of each group of rows."""
        return {
            statistic(name, group): Declared((self.width,), constant=constant)
            for group in self.sources or (_ALL,)
            for name, constant in (("mean", 0.0), ("variance", 1.0))
        }

    def normalised(self, sources: tuple[str, ...]) -> list[tuple[str, ...]]:
        """See `Layer`."""
        return [(it,) for it in sources if it in self.sources] if self.sources else [sources]

    @classmethod
    def rebuild(cls, about: Description, tensors: Mapping[str, Tensor], source: str) -> nn.Module:
        """See `Layer`."""
        group = source if about["sources"] else _ALL
        own = {name: tensors[name] for name in ("weight", "bias")}
        own["running_mean"], own["running_var"] = (tensors[statistic(it, group)] for it in ("mean", "variance"))
        return super().rebuild(about, own | {"num_batches_tracked": torch.tensor(0)}, source)


@dataclass
class BatchNorm(RunningNorm):
    """Batch normalisation (Ioffe & Szegedy 2015) with statistics of its own in every slot.

    A step that brings a single row is normalised by the running statistics: one row has no variance.

    Attributes:
        width: I.
        sources: With names, each source's rows are normalised apart, by statistics of their own.
    """

    kind, described = "batch_norm", ("width", "sources", "epsilon")
    plain = staticmethod(lambda width, _, epsilon: nn.BatchNorm1d(width, epsilon))

    width: int
    sources: tuple[str, ...] = ()

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        self._groups = groups_of(self.sources, this, x.tensor.size(1))
        self._centred = x if x.spare else self.scratch("centred", *x.tensor.shape)
        y, squares = self.scratch("y", *x.tensor.shape), self.scratch("products", *x.tensor.shape)
        weight, bias = self.values["weight"].tensor, self.values["bias"].tensor.unsqueeze(1)
        for group, rows, training in self._groups:
            mean, variance = (self.buffers[statistic(it, group)].tensor for it in ("mean", "variance"))
            given, centred = x.part(rows).tensor, self._centred.part(rows).tensor
            if training:
                at = self._mean(f"at.{group}", given)
                mean.lerp_(at, MOMENTUM)
                torch.sub(given, at.unsqueeze(1), out=centred)
                square = torch.mul(centred, centred, out=squares.part(rows).tensor)
                spread = self._mean(f"spread.{group}", square)
                count = rows.stop - rows.start
                variance.mul_(1 - MOMENTUM).add_(spread, alpha=MOMENTUM * count / (count - 1))
            else:
                spread = self._vectors(f"spread.{group}", len(weight)).copy_(variance)
                torch.sub(given, mean.unsqueeze(1), out=centred)
            spread.add_(EPSILON).rsqrt_()
            scale = torch.mul(spread, weight, out=self._vectors(f"scale.{group}", len(weight)))
            torch.addcmul(bias, centred, scale.unsqueeze(1), out=y.part(rows).tensor)
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        back = grad if grad.spare else self.scratch("back", *grad.tensor.shape)
        products = self.scratch("products", *grad.tensor.shape)
        slots = grad.tensor.size(0)
        for name in ("weight", "bias"):
            self.grads[name].tensor.zero_()
        for group, rows, training in self._groups:
            spread, scale = (self._vectors(f"{name}.{group}", slots) for name in ("spread", "scale"))
            slope, centred, out = (it.part(rows).tensor for it in (grad, self._centred, back))
            shift = torch.sum(slope, 1, out=self._vectors("shift", slots))
            product = torch.mul(slope, centred, out=products.part(rows).tensor)
            stretch = torch.sum(product, 1, out=self._vectors("stretch", slots)).mul_(spread)
            self.grads["bias"].tensor.add_(shift)
            self.grads["weight"].tensor.add_(stretch)
            if training:
                count = rows.stop - rows.start
                torch.sub(slope, shift.div_(count).unsqueeze(1), out=out)
                out.addcmul_(centred, stretch.mul_(spread).unsqueeze(1), value=-1 / count)
                slope = out
            torch.mul(slope, scale.unsqueeze(1), out=out)
        return back

    def _mean(self, name: str, rows: Tensor) -> Tensor:
        """[K, b, I] -> [K, I]."""
        return torch.sum(rows, 1, out=self._vectors(name, len(rows))).div_(rows.size(1))


@dataclass
class LayerNorm(Norm):
    """Layer normalisation (Ba et al. 2016).

    Attributes:
        width: I.
    """

    kind, described, plain = "layer_norm", ("width", "epsilon"), nn.LayerNorm

    width: int

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        self._x = x.tensor
        self._unit, *self._moments = torch.native_layer_norm(x.tensor, [self.width], None, None, EPSILON)
        y = self.scratch("y", *x.tensor.shape)
        bias, weight = (self.values[name].tensor.unsqueeze(1) for name in ("bias", "weight"))
        torch.addcmul(bias, self._unit, weight, out=y.tensor)
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        back = self.scratch("back", *grad.tensor.shape)
        torch.sum(grad.tensor, 1, out=self.grads["bias"].tensor)
        products = self.scratch("products", *grad.tensor.shape).tensor
        torch.sum(torch.mul(self._unit, grad.tensor, out=products), 1, out=self.grads["weight"].tensor)
        slopes = torch.mul(grad.tensor, self.values["weight"].tensor.unsqueeze(1), out=products)
        dx, _, _ = torch.ops.aten.native_layer_norm_backward(
            slopes, self._x, [self.width], *self._moments, None, None, [True, False, False]
        )
        back.tensor.copy_(dx)
        return back


def groups_of(sources: tuple[str, ...], this: Pass, rows: int) -> list[Group]:
    """What is normalised apart."""
    groups = this.rows if sources else {_ALL: slice(0, rows)}
    sizes = {group: part.stop - part.start for group, part in groups.items()}
    return [(group, groups[group], this.training and size > 1) for group, size in sizes.items() if size]


def statistic(name: str, group: str) -> str:
    """The full name of a group's statistic."""
    return f"{name}.{group}" if group else name
