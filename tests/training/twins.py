"""Trunks of the other kinds than `mlp`, written the usual way; their parts are named and counted as ours."""

import torch
from torch import Tensor, nn

from pipeline.config.trunks import Trunk

_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}
_NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class First(nn.Conv2d):
    """A convolution of grey images that come as rows."""

    def forward(self, x: Tensor) -> Tensor:
        side = int(x.size(1) ** 0.5)
        return super().forward(x.view(len(x), 1, side, side))


class PooledFlat(nn.MaxPool2d):
    """The last pooling of a LeNet, whose answer is rows."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).flatten(1)


class Means(nn.Module):
    """Over the image."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Block(nn.Module):
    """Adds what comes of its layers to its input, or to what a shortcut makes of that."""

    def __init__(self, *inner: nn.Module, shortcut: tuple[nn.Module, ...] = ()) -> None:
        super().__init__()
        self.inner, self.shortcut = nn.Sequential(*inner), nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.inner(x) + self.shortcut(x)
        return answer


def twin(settings: Trunk, features: int) -> tuple[nn.Sequential, int]:
    """The trunk and the width of its answer."""
    return {"residual": _residual, "lenet": _lenet, "resnet": _resnet}[settings.kind](settings, features)


def _residual(settings: Trunk, features: int) -> tuple[nn.Sequential, int]:
    width, *hidden = settings.widths
    act, norm = _ACTIVATIONS[settings.activation], _NORMS[settings.norm]
    blocks = [
        Block(norm(width), nn.Linear(width, units), act(), nn.Dropout(settings.dropout), nn.Linear(units, width))
        for units in hidden
    ]
    return nn.Sequential(nn.Linear(features, width), *blocks, norm(width), act()), width


def _lenet(settings: Trunk, features: int) -> tuple[nn.Sequential, int]:
    act, (first, second) = _ACTIVATIONS[settings.activation], settings.channels
    convs = [First(1, first, 5, padding=2), nn.MaxPool2d(2), act(), nn.Conv2d(first, second, 5), PooledFlat(2), act()]
    with torch.no_grad():
        width = nn.Sequential(*convs)(torch.zeros(1, features)).size(1)
    hidden: list[nn.Module] = []
    for units in settings.widths:
        hidden += [nn.Linear(width, units), act(), nn.Dropout(settings.dropout)]
        width = units
    return nn.Sequential(*convs, *hidden), width


def _resnet(settings: Trunk, features: int) -> tuple[nn.Sequential, int]:
    act, width = _ACTIVATIONS[settings.activation], settings.channels[0]
    layers: list[nn.Module] = [First(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), act()]
    for stage, channels in enumerate(settings.channels):
        for block in range(settings.blocks):
            stride = 2 if stage and not block else 1
            inner = [*_conv(width, channels, 3, stride), act(), *_conv(channels, channels, 3, 1)]
            changed = stride > 1 or width != channels
            shortcut = tuple(_conv(width, channels, 1, stride)) if changed else ()
            layers += [Block(*inner, shortcut=shortcut), act()]
            width = channels
    return nn.Sequential(*layers, Means(), nn.Dropout(settings.dropout)), width


def _conv(inputs: int, channels: int, window: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, channels, window, stride, padding=window // 2, bias=False)
    return [conv, nn.BatchNorm2d(channels)]
