"""Trunks for rows of any shape."""

from typing import Any

from pipeline.config.trunks import Trunk
from pipeline.model.trunks import Made, Rows, make_trunk


def trunk(shape: tuple[int, ...], slots: int = 1, **settings: Any) -> Made:
    """The layers for rows of this shape of one source, and the width of their answer."""
    features = 1
    for size in shape:
        features *= size
    every = [Trunk.of(settings)] * slots
    return make_trunk("trunk", every, Rows(("left",), features, shape))
