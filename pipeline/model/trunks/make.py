"""Every kind of trunk."""

from collections.abc import Callable

from pipeline.config.model import OF_TEXT
from pipeline.errors import UserError
from pipeline.model.trunks.base import Made, Rows, Settings, entrance
from pipeline.model.trunks.huggingface import huggingface
from pipeline.model.trunks.lenet import lenet
from pipeline.model.trunks.mlp import mlp
from pipeline.model.trunks.module import module
from pipeline.model.trunks.residual import residual
from pipeline.model.trunks.resnet import resnet
from pipeline.model.trunks.text import text
from pipeline.model.trunks.torchvision import torchvision

_KINDS: dict[str, Callable[[str, Settings, Rows], Made]] = {
    "mlp": mlp,
    "tabular": mlp,
    "residual": residual,
    "lenet": lenet,
    "resnet": resnet,
    "torchvision": torchvision,
    **dict.fromkeys(OF_TEXT, text),
    "huggingface": huggingface,
}


def make_trunk(name: str, trunks: Settings, rows: Rows) -> Made:
    """The trunk of K slots and the width of its answer.

    Args:
        name: Names its draws.
        trunks: The slots' settings.
        rows: What passes through it.

    Raises:
        UserError: It cannot take such rows, or a module of the user's own is not there or breaks its contract.
    """
    layers, inner = entrance(trunks, rows)
    body, width = make_body(name, trunks, inner)
    return [*layers, *body], width


def make_body(name: str, trunks: Settings, rows: Rows) -> Made:
    """The same without what embeds the rows, see `entrance`."""
    kind = trunks[0].kind
    if rows.ids and kind in _KINDS and kind not in OF_TEXT:
        raise UserError(f"trunk '{kind}' cannot read the text of {', '.join(rows.sources)}: use {' or '.join(OF_TEXT)}")
    return _KINDS.get(kind, module)(name, trunks, rows)
