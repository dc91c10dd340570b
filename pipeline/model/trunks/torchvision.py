"""A classification network of torchvision as a trunk."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.config.trunks import Torchvision
from pipeline.draws import Stream
from pipeline.errors import UserError
from pipeline.model.layers import Activation, Repeat, Wrapped
from pipeline.model.layers.module import TORCHVISION
from pipeline.model.trunks.base import Made, Rows, dropout
from pipeline.plugins import first_line

_CHANNELS = 3


@dataclass
class Pretrained(Wrapped):
    """A network that begins with values that it was given.

    The last layer is made anew: its values in the file are for other classes.

    Attributes:
        weights: A file of a state dict, `default` for torchvision's own, or null for none.
    """

    weights: str | None = field(default=None, kw_only=True)

    def initial(self, stream: Stream) -> dict[str, Tensor]:
        """See `Layer`."""
        drawn = super().initial(stream)
        if self.weights is None:
            return drawn
        network = self.arguments["name"]
        given = _downloaded(network) if self.weights == "default" else _read(self.weights)
        last = {
            name for name in list(self.parameters())[-2:] if name in given and given[name].shape != drawn[name].shape
        }
        for name, it in drawn.items():
            if name not in last and (name not in given or given[name].shape != it.shape):
                found = f"of shape {list(given[name].shape)}" if name in given else "not there"
                raise UserError(
                    f"model.trunk.weights: {self.weights} is not of {network}: '{name}' is {found}, "
                    f"and {list(it.shape)} is wanted"
                )
        return drawn | {name: given[name] for name in drawn if name not in last}


def torchvision(name: str, trunks: Sequence[Torchvision], rows: Rows) -> Made:
    """Any classification network of torchvision by name; its last layer, made anew, answers the trunk's width.

    Images of one channel are shown to it three times. It sees values in [0, 1] as all trunks do.

    Raises:
        UserError: torchvision has no such network, or it cannot take such images.
    """
    like, (channels, height, width) = trunks[0], rows.image("torchvision")
    known = _known()
    if like.network not in known:
        raise UserError(f"model.trunk.network: torchvision has no '{like.network}'; it has {', '.join(known)}")
    times = _CHANNELS if channels == 1 else 1
    arguments: dict[str, Any] = {"name": like.network, "num_classes": like.widths[0], **like.arguments}
    shape = (channels * times, height, width)
    wrapped = Pretrained(TORCHVISION, arguments, shape, name, first=True, lifted=False, weights=like.weights)
    repeat = [Repeat(rows.features, times)] if times > 1 else []
    layers = [*repeat, wrapped, Activation(like.activation), dropout(trunks, f"{name}.answer")]
    return layers, wrapped.outputs


@cache
def _known() -> list[str]:
    from torchvision import models

    return models.list_models(module=models)  # type: ignore[no-any-return]


@cache
def _downloaded(network: str) -> dict[str, Tensor]:
    from torchvision.models import get_model_weights

    try:
        return dict(get_model_weights(network).DEFAULT.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"model.trunk.weights=default: torchvision's weights of {network} cannot be fetched ({error}); "
            "give the path of a file"
        ) from error


@cache
def _read(path: str) -> dict[str, Tensor]:
    """A state dict from a file; nothing but tensors is unpickled."""
    from safetensors.torch import load_file

    if not Path(path).is_file():
        raise UserError(f"model.trunk.weights: there is no file {path}")
    try:
        given = load_file(path) if path.endswith(".safetensors") else torch.load(path, "cpu", weights_only=True)
        return {name: it.detach() for name, it in given.items()}
    except Exception as error:  # pickle, zip and safetensors have errors of their own
        message = f"model.trunk.weights: {path} is no state dict of tensors: {first_line(error)}"
        raise UserError(message) from error
