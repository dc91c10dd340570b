"""How images lie in memory between layers.

A batch of images is rows [K, B, F] as everywhere, with F = C * H * W, but in memory each slot is [C, H, W, B]: the rows
are innermost. So the columns of a convolution are copied in long runs, and whatever is done to each value or window of
an image is done to many rows of the batch at once, however few channels there are.

Legend of shapes beside those of `base`:
    C, H, W channels, height and width of an image
    O, P, Q channels, height and width of what a layer answers
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from pipeline.model.layers.base import Layer
from pipeline.model.layers.plain import Description, Shaped
from pipeline.stacked import Stacked

Shape = tuple[int, int, int]
"""Of one image: [C, H, W]."""


@dataclass
class ImageLayer(Layer):
    """A layer that takes images.

    Attributes:
        shape: Of one image that it takes, [C, H, W].
    """

    shape: Shape

    @property
    def answers(self) -> Shape:
        """Shape of one image that it answers, [O, P, Q]."""
        return self.shape

    @property
    def inputs(self) -> int:
        """Values that it takes for a row."""
        return math.prod(self.shape)

    @property
    def outputs(self) -> int:
        """Values that it answers for a row."""
        return math.prod(self.answers)

    def images(self, it: Stacked, shape: Shape, name: str) -> Tensor:
        """[K, B, F] as [K, C, H, W, B], the last axis innermost: itself, or a copy in the buffer of this name."""
        laid = it
        if not it.lies_turned:
            laid = self.turned_scratch(name, *it.tensor.shape)
            laid.tensor.copy_(it.tensor)
        return laid.tensor.mT.unflatten(1, shape)

    @classmethod
    def rebuild(cls, about: Description, tensors: Mapping[str, Tensor], source: str) -> nn.Module:
        """See `Layer`."""
        return Shaped(super().rebuild(about, tensors, source), about["shape"])
