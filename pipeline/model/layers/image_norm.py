"""Batch normalisation of images, composed of calls for all slots as in `norm`."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.layers.base import Declared, Pass
from pipeline.model.layers.images import ImageLayer
from pipeline.model.layers.norm import EPSILON, MOMENTUM, groups_of, statistic, statistics_of
from pipeline.stacked import Stacked

_OVER = (2, 3)  # pixels and rows of [K, C, H * W, B]


@dataclass
class BatchNorm2d(ImageLayer):
    """Batch normalisation (Ioffe & Szegedy 2015) of each channel over all pixels, by every slot's own statistics.

    A step that brings a single row is normalised by the running statistics, as `BatchNorm` does.

    Attributes:
        sources: With names, each source's rows are normalised apart, by statistics of their own.
    """

    sources: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """C."""
        return self.shape[0]

    def parameters(self) -> dict[str, Declared]:
        """Scale and shift [C], shared by the sources."""
        return {"weight": Declared((self.width,), constant=1.0), "bias": Declared((self.width,))}

    def statistics(self) -> dict[str, Declared]:
        """Running mean and variance [C] of each group of rows."""
        return statistics_of(self.sources, self.width)

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
        for group, rows, training in self._groups:
            mean, variance = (self.buffers[statistic(it, group)].tensor for it in ("mean", "variance"))
            part, middle = given[..., rows], centred[..., rows]
            spread = self._vectors(f"spread.{group}", len(weight))
            if training:
                count = part[0, 0].numel()
                at = torch.sum(part, _OVER, out=self._vectors(f"at.{group}", len(weight))).div_(count)
                mean.lerp_(at, MOMENTUM)
                torch.sub(part, _wide(at), out=middle)
                torch.sum(torch.mul(middle, middle, out=squares[..., rows]), _OVER, out=spread).div_(count)
                variance.mul_(1 - MOMENTUM).add_(spread, alpha=MOMENTUM * count / (count - 1))
            else:
                spread.copy_(variance)
                torch.sub(part, _wide(mean), out=middle)
            spread.add_(EPSILON).rsqrt_()
            scale = torch.mul(spread, weight, out=self._vectors(f"scale.{group}", len(weight)))
            torch.mul(middle, _wide(scale), out=answer[..., rows]).add_(_wide(bias))
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, C * H * W] -> [K, B, C * H * W]."""
        back, products = (self.turned_scratch(it, *grad.tensor.shape) for it in ("back", "products"))
        slopes, out, squares, centred = (
            self._flat(it, name) for it, name in ((grad, "grad"), (back, ""), (products, ""), (self._centred, ""))
        )
        slots = grad.tensor.size(0)
        for name in ("weight", "bias"):
            self.grads[name].tensor.zero_()
        for group, rows, training in self._groups:
            spread, scale = (self._vectors(f"{name}.{group}", slots) for name in ("spread", "scale"))
            slope, middle, into_part = slopes[..., rows], centred[..., rows], out[..., rows]
            shift = torch.sum(slope, _OVER, out=self._vectors("shift", slots))
            product = torch.mul(slope, middle, out=squares[..., rows])
            stretch = torch.sum(product, _OVER, out=self._vectors("stretch", slots)).mul_(spread)
            self.grads["bias"].tensor.add_(shift)
            self.grads["weight"].tensor.add_(stretch)
            if training:
                count = slope[0, 0].numel()
                torch.mul(middle, _wide(stretch.mul_(spread).div_(count)), out=product)
                torch.sub(slope, _wide(shift.div_(count)), out=into_part).sub_(product)
                slope = into_part
            torch.mul(slope, _wide(scale), out=into_part)
        return back

    def _flat(self, it: Stacked, name: str) -> Tensor:
        """[K, B, F] as [K, C, H * W, B]."""
        return self.images(it, self.shape, name).flatten(2, 3)

    def _vectors(self, name: str, slots: int) -> Tensor:
        """Memory for a value [C] a slot."""
        return self.scratch(name, slots, self.width).tensor

    def describe(self) -> dict[str, object]:
        """Kind, shape and groups."""
        return {
            "kind": "batch_norm2d",
            "shape": list(self.shape),
            "width": self.width,
            "sources": list(self.sources),
            "epsilon": EPSILON,
        }


def _wide(vectors: Tensor) -> Tensor:
    """[K, C] beside [K, C, H * W, B]."""
    return vectors[..., None, None]
