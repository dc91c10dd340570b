"""The convolution, as products with columns (Chellapilla et al. 2006, "High performance convolutional neural networks
for document processing").

So many rows of windows become columns at a time that they stay in a processor's cache. At the sizes of a LeNet and a
batch of 128 this takes half the time of torch's own convolution on a CPU, and each slot has products of its own.

Legend of shapes as in `images` and `columns`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Declared, Pass
from pipeline.model.layers.columns import Columns, edges, spread
from pipeline.model.layers.images import ImageLayer, Shape
from pipeline.stacked import On, Stacked

_CACHED = 2**17  # values of columns that a processor keeps at hand
_SPREAD = 2**21  # of their gradients: few large sums cost less than many small ones
_JOINED = 2**24  # of all slots, where one call is for all


@dataclass
class Conv2d(ImageLayer):
    """Square windows of every image times weights, with torch.nn.Conv2d's layout [O, C, k, k] and initial values.

    Its products are float32 whatever the experiment's precision.

    Attributes:
        channels: O.
        window: k.
        stride: Between windows.
        padding: Zeros around the image.
        bias: Whether a value is added to each channel.
        first: Nobody needs the gradient of its input.
        scale: What the inputs are multiplied by on their way in.
    """

    kind, described = "conv2d", ("shape", "channels", "window", "stride", "padding", "bias")

    channels: int
    window: int
    stride: int = 1
    padding: int = 0
    bias: bool = True
    first: bool = False
    scale: float = 1.0

    @property
    def answers(self) -> Shape:
        """See `ImageLayer`."""
        down, right = ((it + 2 * self.padding - self.window) // self.stride + 1 for it in self.shape[1:])
        return self.channels, down, right

    def parameters(self) -> dict[str, Declared]:
        """Weight [O, C, k, k] and bias [O], uniform in +-1/sqrt(R)."""
        shape = (self.channels, self.shape[0], self.window, self.window)
        bound = 1.0 / math.sqrt(math.prod(shape[1:]))
        bias = {"bias": Declared((self.channels,), bound)} if self.bias else {}
        return {"weight": Declared(shape, bound)} | bias

    def units(self, training: bool) -> int:
        """See `Layer`: its answer, its padded input, and the input's gradient."""
        back = self.inputs if training and not self.first else 0
        return self.outputs + math.prod(self._padded_shape) + back

    def bound(self, on: On) -> None:
        """See `Layer`."""
        views = (self.values["weight"], self.grads["weight"])
        self._weights, self._slopes = (self.lanes(it.tensor.flatten(2)) for it in views)  # [O, R]
        self._turned = [it.mT for it in self._weights]
        self._columns: dict[torch.Size, Columns] = {}

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, C * H * W] -> [K, B, O * P * Q]."""
        columns = self._taken(x)
        y = self.turned_scratch("y", len(self.values["weight"].slots), x.tensor.size(1), self.outputs)
        answer = y.tensor.mT.unflatten(1, (self.channels, -1)).flatten(2)  # [K, O, P * Q * B]
        parts = self._cut(answer, columns.edges)
        product = torch.bmm if self.batched else torch.mm
        for block in range(len(columns.edges) - 1):
            for lane, weight in enumerate(self._weights):
                product(weight, self._for_all(columns(lane, block)), out=parts[lane][block])
        if self.bias:
            answer.add_(self.values["bias"].tensor.unsqueeze(2))
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, O * P * Q] -> [K, B, C * H * W]."""
        slopes = self.images(grad, self.answers, "grad").flatten(2)  # [K, O, P * Q * B]
        if self.bias:
            torch.sum(slopes, 2, out=self.grads["bias"].tensor)
        columns, add = self._used, torch.baddbmm if self.batched else torch.addmm
        parts = self._cut(slopes, columns.edges)
        for block in range(len(columns.edges) - 1):
            for lane, out in enumerate(self._slopes):
                turned = self._for_all(columns(lane, block)).mT
                add(out, parts[lane][block], turned, beta=float(block > 0), out=out)
        return None if self.first else self._back(slopes, grad.tensor.size(1))

    def _back(self, slopes: Tensor, rows: int) -> Stacked:
        """The gradient of the input from that of the answer, [K, O, P * Q * B]."""
        slots, window = slopes.size(0), self.window
        back = self.turned_scratch("back", slots, rows, self.inputs)
        images = back.tensor.mT.unflatten(1, self.shape)
        images.zero_()
        _, down, right = self.answers
        count = self.shape[0] * window * window
        cuts = edges(down, count * right * rows * (slots if self.batched else 1), self._most(_SPREAD))
        parts, product = self._cut(slopes, cuts), torch.bmm if self.batched else torch.mm
        for lane, (weight, image) in enumerate(zip(self._turned, self.lanes(images), strict=True)):
            for slope, (start, stop) in zip(parts[lane], pairwise(cuts), strict=True):
                size = (*weight.shape[:-1], slope.size(-1))
                found = product(weight, slope, out=self.scratch("slopes", *size).tensor)
                spread(
                    found.unflatten(-2, (self.shape[0], window, window)).unflatten(-1, (stop - start, right, rows)),
                    image, self.stride, self.padding, start,
                )  # fmt: skip
        if self.scale != 1.0:
            images.mul_(self.scale)
        return back

    def _taken(self, x: Stacked) -> Columns:
        """The columns of the input, which is copied into its padding."""
        slots, rows, _ = x.tensor.shape
        padded = self.scratch("padded", slots, *self._padded_shape, rows).tensor
        if padded.shape not in self._columns:
            most = self._most(_CACHED)
            self._columns[padded.shape] = Columns(padded, self.window, self.stride, most, self.batched)
        edge = slice(self.padding, -self.padding or None)
        torch.mul(x.tensor.mT.unflatten(1, self.shape), self.scale, out=padded[:, :, edge, edge])
        self._used = self._columns[padded.shape]
        self._used.begin()
        return self._used

    @property
    def _padded_shape(self) -> Shape:
        channels, height, width = self.shape
        return channels, height + 2 * self.padding, width + 2 * self.padding

    def _most(self, values: int) -> int:
        return _JOINED if self.batched else values

    def _for_all(self, columns: Tensor) -> Tensor:
        """Where calls are batched and all slots share their images: [1, R, n] -> [K, R, n]."""
        return columns.expand(len(self.values["weight"].slots), -1, -1) if self.batched else columns

    def _cut(self, stacked: Tensor, cuts: list[int]) -> list[tuple[Tensor, ...]]:
        """For each call, [.., O, P * Q * B] cut into blocks of windows."""
        row = stacked.size(-1) // self.answers[1]
        sizes = [(stop - start) * row for start, stop in pairwise(cuts)]
        return [lane.split(sizes, -1) for lane in self.lanes(stacked)]

    @staticmethod
    def plain(shape: Sequence[int], channels: int, *sizes: int) -> nn.Module:
        """See `Layer`."""
        window, stride, padding, bias = sizes
        return nn.Conv2d(shape[0], channels, window, stride, padding, bias=bool(bias))
