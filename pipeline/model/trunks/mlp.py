"""The multi-layer perceptron, and the same behind embeddings of all columns of a table."""

from pipeline.model.layers import Activation, Linear
from pipeline.model.trunks.base import Made, Rows, Settings, dropout, entrance, norm


def mlp(name: str, trunks: Settings, rows: Rows) -> Made:
    """For each width a linear layer, the norm, the activation, dropout."""
    like = trunks[0]
    layers, width = entrance(trunks, rows)
    for index, units in enumerate(like.widths):
        layers += [Linear(width, units, first=not layers), *norm(trunks, units, rows)]
        layers += [Activation(like.activation), dropout(trunks, f"{name}.{index}")]
        width = units
    return layers, width
