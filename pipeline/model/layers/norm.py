"""Normalisation: by torch's own kernels, one call a slot; batched, composed of calls for all slots."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.layers.base import Declared, Layer, Pass
from pipeline.stacked import Stacked

_EPSILON = 1e-5
_MOMENTUM = 0.1
_ALL = ""  # the one group of rows when sources are normalised together
_Saved = tuple[Tensor, Tensor, Tensor]


@dataclass
class BatchNorm(Layer):
    """Batch normalisation (Ioffe & Szegedy 2015) with statistics of its own in every slot.

    A step that brings a single row is normalised by the running statistics: one row has no variance.

    Attributes:
        width: I.
        sources: With names, each source's rows are normalised apart, by statistics of their own.
    """

    width: int
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._units: dict[str, tuple[Tensor, Tensor]] = {}

    def parameters(self) -> dict[str, Declared]:
        """Scale and shift [I], shared by the sources."""
        return {"weight": Declared((self.width,), constant=1.0), "bias": Declared((self.width,))}

    def statistics(self) -> dict[str, Declared]:
        """Running mean and variance [I] of each group of rows."""
        declared = {}
        for group in self.sources or (_ALL,):
            declared[_name("mean", group)] = Declared((self.width,))
            declared[_name("variance", group)] = Declared((self.width,), constant=1.0)
        return declared

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        groups = this.rows if self.sources else {_ALL: slice(0, x.tensor.size(1))}
        sizes = {group: rows.stop - rows.start for group, rows in groups.items()}
        self._groups = [(group, groups[group], this.training and size > 1) for group, size in sizes.items() if size]
        y = self.scratch("y", *x.tensor.shape)
        if self.batched:
            for group, rows, training in self._groups:
                self._normalise(group, x.tensor[:, rows], y.tensor[:, rows], training)
            return y
        self._saved: dict[tuple[str, int], _Saved] = {}
        for group, rows, training in self._groups:
            mean, variance = self.buffers[_name("mean", group)], self.buffers[_name("variance", group)]
            for k, weight in enumerate(self.values["weight"].slots):
                part = x.slots[k][rows]
                out, at, spread = torch.native_batch_norm(
                    part, weight, self.values["bias"].slots[k], mean.slots[k], variance.slots[k],
                    training, _MOMENTUM, _EPSILON,
                )  # fmt: skip
                y.slots[k][rows].copy_(out)
                self._saved[group, k] = (part, at, spread)
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        back = self.scratch("back", *grad.tensor.shape)
        for name in ("weight", "bias"):
            self.grads[name].tensor.zero_()
        if self.batched:
            for group, rows, training in self._groups:
                self._go_back(group, grad.tensor[:, rows], back.tensor[:, rows], training)
            return back
        for group, rows, training in self._groups:
            mean, variance = self.buffers[_name("mean", group)], self.buffers[_name("variance", group)]
            for k, weight in enumerate(self.values["weight"].slots):
                part, at, spread = self._saved[group, k]
                dx, dweight, dbias = torch.ops.aten.native_batch_norm_backward(
                    grad.slots[k][rows], part, weight, mean.slots[k], variance.slots[k], at, spread,
                    training, _EPSILON, [True, True, True],
                )  # fmt: skip
                back.slots[k][rows].copy_(dx)
                self.grads["weight"].slots[k].add_(dweight)
                self.grads["bias"].slots[k].add_(dbias)
        return back

    def _normalise(self, group: str, x: Tensor, y: Tensor, training: bool) -> None:
        """A group's rows [K, B, I], for all slots."""
        mean, variance = (self.buffers[_name(it, group)].tensor for it in ("mean", "variance"))
        if training:
            rows = x.size(1)
            now, at = torch.var_mean(x, 1, correction=0)
            mean.lerp_(at, _MOMENTUM)
            variance.lerp_(now * (rows / (rows - 1)), _MOMENTUM)
            mean, variance = at, now
        scale = torch.rsqrt(variance + _EPSILON).unsqueeze(1)
        unit = (x - mean.unsqueeze(1)).mul_(scale)
        _scaled(unit, self.values, y)
        self._units[group] = (unit, scale)

    def _go_back(self, group: str, grad: Tensor, back: Tensor, training: bool) -> None:
        """The reverse of `_normalise`; adds to the parameters' gradients."""
        unit, scale = self._units.pop(group)
        shift, product = grad.sum(1), (grad * unit).sum(1)
        self.grads["bias"].tensor.add_(shift)
        self.grads["weight"].tensor.add_(product)
        if training:
            rows = grad.size(1)
            grad = grad - (shift / rows).unsqueeze(1) - unit.mul_((product / rows).unsqueeze(1))
        torch.mul(grad, scale.mul_(self.values["weight"].tensor.unsqueeze(1)), out=back)

    def describe(self) -> dict[str, object]:
        """Kind, width and groups."""
        return {"kind": "batch_norm", "width": self.width, "sources": list(self.sources), "epsilon": _EPSILON}


@dataclass
class LayerNorm(Layer):
    """Layer normalisation (Ba et al. 2016).

    Attributes:
        width: I.
    """

    width: int

    def parameters(self) -> dict[str, Declared]:
        """Scale and shift [I]."""
        return {"weight": Declared((self.width,), constant=1.0), "bias": Declared((self.width,))}

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        y = self.scratch("y", *x.tensor.shape)
        if self.batched:
            self._unit, *self._moments = torch.native_layer_norm(x.tensor, [self.width], None, None, _EPSILON)
            self._x = x.tensor
            _scaled(self._unit, self.values, y.tensor)
            return y
        self._saved: list[_Saved] = []
        for part, out, weight, bias in zip(
            x.slots, y.slots, self.values["weight"].slots, self.values["bias"].slots, strict=True
        ):
            done, mean, spread = torch.native_layer_norm(part, [self.width], weight, bias, _EPSILON)
            out.copy_(done)
            self._saved.append((part, mean, spread))
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, I] -> [K, B, I]."""
        back = self.scratch("back", *grad.tensor.shape)
        if self.batched:
            torch.sum(grad.tensor, 1, out=self.grads["bias"].tensor)
            torch.sum(self._unit.mul_(grad.tensor), 1, out=self.grads["weight"].tensor)
            slopes = torch.mul(grad.tensor, self.values["weight"].tensor.unsqueeze(1), out=self._unit)
            dx, _, _ = torch.ops.aten.native_layer_norm_backward(
                slopes, self._x, [self.width], *self._moments, None, None, [True, False, False]
            )
            back.tensor.copy_(dx)
            return back
        for k, (x, mean, spread) in enumerate(self._saved):
            dx, dweight, dbias = torch.ops.aten.native_layer_norm_backward(
                grad.slots[k], x, [self.width], mean, spread, self.values["weight"].slots[k],
                self.values["bias"].slots[k], [True, True, True],
            )  # fmt: skip
            back.slots[k].copy_(dx)
            self.grads["weight"].slots[k].copy_(dweight)
            self.grads["bias"].slots[k].copy_(dbias)
        return back

    def describe(self) -> dict[str, object]:
        """Kind and width."""
        return {"kind": "layer_norm", "width": self.width, "epsilon": _EPSILON}


def _scaled(unit: Tensor, values: dict[str, Stacked], out: Tensor) -> None:
    """Every slot's weight times its normalised rows [K, B, I], plus its bias."""
    bias, weight = (values[name].tensor.unsqueeze(1) for name in ("bias", "weight"))
    torch.addcmul(bias, unit, weight, out=out)


def _name(statistic: str, group: str) -> str:
    return f"{statistic}.{group}" if group else statistic
