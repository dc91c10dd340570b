"""Pooling of images, by torch's own kernels, for which the rows of a batch are the channels of an image."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Pass
from pipeline.model.layers.images import ImageLayer, Shape
from pipeline.stacked import Stacked

_aten = torch.ops.aten


@dataclass
class MaxPool2d(ImageLayer):
    """The largest value of each square window, windows side by side; what is left over at the edges is dropped.

    Attributes:
        window: Side of the window.
    """

    kind, described, plain = "max_pool2d", ("shape", "window"), lambda _, window: nn.MaxPool2d(window)

    window: int

    @property
    def answers(self) -> Shape:
        """See `ImageLayer`."""
        channels, height, width = self.shape
        return channels, height // self.window, width // self.window

    def units(self, training: bool) -> int:
        """See `Layer`: its answer, where that was found in 64 bits, and both gradients."""
        return 3 * self.outputs + (self.inputs + self.outputs if training else 0)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, C * H * W] -> [K, B, C * P * Q]."""
        slots, rows, _ = x.tensor.shape
        self._x = self.images(x, self.shape, "x")
        y = self.turned_scratch("y", slots, rows, self.outputs)
        self._places = self.scratch("places", slots, *self.answers, rows, dtype=torch.int64).tensor
        answer = y.tensor.mT.unflatten(1, self.answers)
        size = ([self.window] * 2, [self.window] * 2)
        for lane, out, places in zip(*map(self.lanes, (self._x, answer, self._places)), strict=True):
            if self.batched:  # slots have gaps between them, so these are copies
                found = _aten.max_pool2d_with_indices(_as_planes(lane), *size)
                for it, into in zip(found, (out, places), strict=True):
                    into.copy_(_as_images(it, into))
            else:
                _aten.max_pool2d_with_indices.out(
                    _as_planes(lane), *size, out=_as_planes(out), indices=_as_planes(places)
                )
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, C * P * Q] -> [K, B, C * H * W]."""
        back = self.turned_scratch("back", grad.tensor.size(0), grad.tensor.size(1), self.inputs)
        slopes, images = self.images(grad, self.answers, "grad"), back.tensor.mT.unflatten(1, self.shape)
        rest = ([self.window] * 2, [self.window] * 2, [0, 0], [1, 1], False)
        for lane, x, places, out in zip(*map(self.lanes, (slopes, self._x, self._places, images)), strict=True):
            given = (_as_planes(lane), _as_planes(x), *rest, _as_planes(places))
            if self.batched:
                out.copy_(_as_images(_aten.max_pool2d_with_indices_backward(*given), out))
            else:
                _aten.max_pool2d_with_indices_backward.grad_input(*given, grad_input=_as_planes(out))
        return back


@dataclass
class AveragePool2d(ImageLayer):
    """The mean of each channel over the whole image."""

    kind, described, plain = "average_pool2d", ("shape",), lambda _: nn.AdaptiveAvgPool2d(1)

    @property
    def answers(self) -> Shape:
        """See `ImageLayer`."""
        return self.shape[0], 1, 1

    def units(self, training: bool) -> int:
        """See `Layer`: its answer and the input's gradient."""
        return self.outputs + (self.inputs if training else 0)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, C * H * W] -> [K, B, C]."""
        slots, rows, _ = x.tensor.shape
        y = self.turned_scratch("y", slots, rows, self.outputs)
        for images, out in zip(self.lanes(self.images(x, self.shape, "x")), self.lanes(y.tensor.mT), strict=True):
            torch.mean(images, (-3, -2), out=out)
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, C] -> [K, B, C * H * W]."""
        back = self.turned_scratch("back", grad.tensor.size(0), grad.tensor.size(1), self.inputs)
        images, pixels = back.tensor.mT.unflatten(1, self.shape), self.shape[1] * self.shape[2]
        images.copy_(grad.tensor.mT[:, :, None, None]).div_(pixels)
        return back


def _as_planes(images: Tensor) -> Tensor:
    """[..., C, H, W, B] as torch takes images whose last axis is innermost: [(K *) C, B, H, W]."""
    return images.flatten(0, -4).permute(0, 3, 1, 2)


def _as_images(planes: Tensor, like: Tensor) -> Tensor:
    """The reverse."""
    return planes.permute(0, 2, 3, 1).reshape(like.shape)
