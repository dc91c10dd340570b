"""Normalisation, by torch's own kernels, one call a slot."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.layers.base import Declared, Layer, Pass

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

    def forward(self, x: Tensor, this: Pass) -> Tensor:
        """[K, B, I] -> [K, B, I]."""
        groups = this.rows if self.sources else {_ALL: slice(0, x.size(1))}
        self._groups = [(group, rows, this.training and rows.stop - rows.start > 1) for group, rows in groups.items()]
        self._saved: dict[tuple[str, int], _Saved] = {}
        y = self.scratch("y", *x.shape)
        for group, rows, training in self._groups:
            mean, variance = self.buffers[_name("mean", group)], self.buffers[_name("variance", group)]
            for k in range(x.size(0)):
                part = x[k, rows]
                out, at, spread = torch.native_batch_norm(
                    part, self.values["weight"][k], self.values["bias"][k], mean[k], variance[k],
                    training, _MOMENTUM, _EPSILON,
                )  # fmt: skip
                y[k, rows].copy_(out)
                self._saved[group, k] = (part, at, spread)
        return y

    def backward(self, grad: Tensor) -> Tensor:
        """[K, B, I] -> [K, B, I]."""
        back = self.scratch("back", *grad.shape)
        for name in ("weight", "bias"):
            self.grads[name].zero_()
        for group, rows, training in self._groups:
            mean, variance = self.buffers[_name("mean", group)], self.buffers[_name("variance", group)]
            for k in range(grad.size(0)):
                part, at, spread = self._saved[group, k]
                dx, dweight, dbias = torch.ops.aten.native_batch_norm_backward(
                    grad[k, rows], part, self.values["weight"][k], mean[k], variance[k], at, spread,
                    training, _EPSILON, [True, True, True],
                )  # fmt: skip
                back[k, rows].copy_(dx)
                self.grads["weight"][k].add_(dweight)
                self.grads["bias"][k].add_(dbias)
        return back

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

    def forward(self, x: Tensor, this: Pass) -> Tensor:
        """[K, B, I] -> [K, B, I]."""
        y = self.scratch("y", *x.shape)
        self._saved: list[_Saved] = []
        for k in range(x.size(0)):
            weight, bias = self.values["weight"][k], self.values["bias"][k]
            out, mean, spread = torch.native_layer_norm(x[k], [self.width], weight, bias, _EPSILON)
            y[k].copy_(out)
            self._saved.append((x[k], mean, spread))
        return y

    def backward(self, grad: Tensor) -> Tensor:
        """[K, B, I] -> [K, B, I]."""
        back = self.scratch("back", *grad.shape)
        for k, (x, mean, spread) in enumerate(self._saved):
            dx, dweight, dbias = torch.ops.aten.native_layer_norm_backward(
                grad[k], x, [self.width], mean, spread, self.values["weight"][k], self.values["bias"][k],
                [True, True, True],
            )  # fmt: skip
            back[k].copy_(dx)
            self.grads["weight"][k].copy_(dweight)
            self.grads["bias"][k].copy_(dbias)
        return back

    def describe(self) -> dict[str, object]:
        """Kind and width."""
        return {"kind": "layer_norm", "width": self.width, "epsilon": _EPSILON}


def _name(statistic: str, group: str) -> str:
    return f"{statistic}.{group}" if group else statistic
