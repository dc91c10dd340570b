"""A LeNet for small images."""

from collections.abc import Sequence

from pipeline.config.trunks import LeNet
from pipeline.errors import UserError
from pipeline.model.layers import Activation, Conv2d, Layer, Linear, MaxPool2d
from pipeline.model.trunks.base import Made, Rows, dropout

_WINDOW, _POOL = 5, 2
_PADDING = (2, 0)


def lenet(name: str, trunks: Sequence[LeNet], rows: Rows) -> Made:
    """After LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II.B).

    Two convolutions of 5 x 5, the first with padding, each with pooling behind it; then the hidden layers. Pooling
    takes the largest value, before the activation: after one that rises, as relu and tanh do, it would answer the same.
    Every channel of the second convolution reads every one of the first.
    """
    like, shape = trunks[0], rows.image("lenet")
    layers: list[Layer] = []
    for channels, padding in zip(like.channels, _PADDING, strict=True):
        conv = Conv2d(shape, channels, _WINDOW, padding=padding, first=not layers)
        pool = MaxPool2d(conv.answers, _POOL)
        if min(conv.answers) < 1 or min(pool.answers) < 1:
            raise UserError(f"trunk 'lenet' needs images of at least 12 x 12 values; found {list(rows.shape)}")
        layers += [conv, pool, Activation(like.activation)]
        shape = pool.answers
    width = pool.outputs
    for index, units in enumerate(like.widths):
        layers += [Linear(width, units), Activation(like.activation), dropout(trunks, f"{name}.{index}")]
        width = units
    return layers, width
