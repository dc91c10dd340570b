"""A small residual network of images."""

from collections.abc import Sequence

from pipeline.config.trunks import ResNet
from pipeline.model.layers import Activation, AveragePool2d, BatchNorm2d, Conv2d, Layer, Residual
from pipeline.model.layers.images import Shape
from pipeline.model.trunks.base import Made, Rows, dropout, groups


def resnet(name: str, trunks: Sequence[ResNet], rows: Rows) -> Made:
    """The network of He et al. 2015, "Deep residual learning for image recognition", section 4.2, with fewer blocks.

    A convolution of 3 x 3 with batch norm, then stages of blocks of two such convolutions, then the mean of the image.
    All stages but the first halve the image; where a block changes the shape, its shortcut is a convolution of 1 x 1
    with batch norm (option B of the paper, which used option A here).
    """
    like, sources = trunks[0], groups(trunks, rows)
    layers: list[Layer] = [*_conv(rows.image("resnet"), like.channels[0], 3, 1, sources, first=True)]
    layers.append(Activation(like.activation))
    _, height, width = rows.image("resnet")
    shape: Shape = (like.channels[0], height, width)
    for stage, channels in enumerate(like.channels):
        for block in range(like.blocks):
            stride = 2 if stage and not block else 1
            first = _conv(shape, channels, 3, stride, sources)
            between = (channels, -(-shape[1] // stride), -(-shape[2] // stride))
            inner = [*first, Activation(like.activation), *_conv(between, channels, 3, 1, sources)]
            changes = between != shape
            layers.append(Residual(inner, _conv(shape, channels, 1, stride, sources) if changes else []))
            layers.append(Activation(like.activation))
            shape = between
    return [*layers, AveragePool2d(shape), dropout(trunks, name)], shape[0]


def _conv(
    shape: Shape, channels: int, window: int, stride: int, sources: tuple[str, ...], first: bool = False
) -> list[Layer]:
    """A convolution that keeps the size but for its stride, and batch norm, which makes a bias needless."""
    conv = Conv2d(shape, channels, window, stride, padding=window // 2, bias=False, first=first)
    return [conv, BatchNorm2d(conv.answers, sources)]
