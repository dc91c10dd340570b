"""Every kind of trunk."""

from collections.abc import Callable

from pipeline.model.trunks.base import Made, Rows, Settings
from pipeline.model.trunks.lenet import lenet
from pipeline.model.trunks.mlp import mlp
from pipeline.model.trunks.module import module
from pipeline.model.trunks.residual import residual
from pipeline.model.trunks.resnet import resnet
from pipeline.model.trunks.torchvision import torchvision

_KINDS: dict[str, Callable[[str, Settings, Rows], Made]] = {
    "mlp": mlp,
    "residual": residual,
    "lenet": lenet,
    "resnet": resnet,
    "torchvision": torchvision,
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
    return _KINDS.get(trunks[0].kind, module)(name, trunks, rows)
