"""The residual MLP."""

from collections.abc import Sequence

from pipeline.config.trunks import ResidualMLP
from pipeline.model.layers import Activation, Layer, Linear, Residual
from pipeline.model.trunks.base import Made, Rows, dropout, norm


def residual(name: str, trunks: Sequence[ResidualMLP], rows: Rows) -> Made:
    """The ResNet for rows of Gorishniy et al. 2021, "Revisiting deep learning models for tabular data", section 3.2.

    A linear layer to the first width; for each further one a block that adds to its input what comes of norm, linear
    layer of so many units, activation, dropout and linear layer; then norm and activation. Of the paper's two dropouts
    in a block it has the one on the hidden units.
    """
    like = trunks[0]
    width, *hidden = like.widths
    layers: list[Layer] = [Linear(rows.features, width, first=not rows.embedded)]
    for index, units in enumerate(hidden):
        inner = [*norm(trunks, width, rows), Linear(width, units), Activation(like.activation)]
        layers.append(Residual([*inner, dropout(trunks, f"{name}.{index}"), Linear(units, width)]))
    return [*layers, *norm(trunks, width, rows), Activation(like.activation)], width
