"""The multi-layer perceptron."""

from collections.abc import Sequence

from pipeline.config.trunks import MLP
from pipeline.model.layers import Activation, Layer, Linear
from pipeline.model.trunks.base import Made, Rows, dropout, norm


def mlp(name: str, trunks: Sequence[MLP], rows: Rows) -> Made:
    """For each width a linear layer, the norm, the activation, dropout."""
    like, width = trunks[0], rows.features
    layers: list[Layer] = []
    for index, units in enumerate(like.widths):
        layers += [Linear(width, units, first=not (layers or rows.embedded)), *norm(trunks, units, rows)]
        layers += [Activation(like.activation), dropout(trunks, f"{name}.{index}")]
        width = units
    return layers, width
