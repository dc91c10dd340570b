"""The preference among its tasks that a served network is given.

Copied beside `served_model.py` into the models that are given one, it imports nothing of `pipeline`.

Legend of shapes: B rows, F values of a row, T tasks, P values of a plane: those of an image's channel, 1 of other rows.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_ASKED: ContextVar[Tensor | None] = ContextVar("preference", default=None)
"""What the caller at hand asks for: several may ask at a time."""


def layer(about: Mapping[str, Any], *_: Any) -> nn.Module:
    """The module of a layer that is described so."""
    return Preference(about["shape"], about["shares"])


class Preference(nn.Module):
    """Every row with the share of each task behind it: a value, or of images a channel of one value."""

    def __init__(self, shape: list[int], shares: list[float]) -> None:
        super().__init__()
        self.plane, self.shares = math.prod(shape[1:]), torch.tensor(shares)

    def forward(self, x: Tensor) -> Tensor:
        """[B, F] -> [B, F + T * P]."""
        asked = _ASKED.get()
        shares = self.shares if asked is None else asked
        return torch.cat([x, shares.repeat_interleave(self.plane).expand(len(x), -1)], 1)


class Asked:
    """Answers by another preference than the network's own, as long as it is entered.

    Args:
        spec: Of the model.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        layers = (it for branch in spec["network"]["branches"] for it in branch["trunk"])
        self._tasks: list[str] = next(it["tasks"] for it in layers if it["kind"] == "preference")

    @contextmanager
    def __call__(self, params: Mapping[str, Any] | None) -> Iterator[None]:
        """Ask for the `preference` of these parameters: a share of each task, or none for the network's own.

        Raises:
            ValueError: It is no preference among these tasks.
        """
        given = (params or {}).get("preference")
        token = _ASKED.set(None if given is None else self._shares(given))
        try:
            yield
        finally:
            _ASKED.reset(token)

    def _shares(self, given: Any) -> Tensor:
        """The shares [T], which sum to 1."""
        values = np.asarray(given, np.float64)
        if values.shape != (len(self._tasks),) or not np.isfinite(values).all() or values.min() < 0 or not values.any():
            raise ValueError(f"preference: a share of each of {', '.join(self._tasks)}, none below 0 and not all 0")
        return torch.from_numpy(values / values.sum()).float()
