"""A preference among the tasks, appended to the rows that a network sees.

Legend beside that of `base`: T tasks, P values of a plane: H * W of images, 1 of other rows.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Layer, Pass
from pipeline.stacked import Stacked

_ASKED: ContextVar[Tensor | None] = ContextVar("preference", default=None)
"""What the caller at hand asks a plain module for: several may ask at a time."""


@dataclass(frozen=True)
class Conditioning:
    """What a network is told that is conditioned on a preference.

    Attributes:
        tasks: Whose shares they are.
        shares: The preference wherever none is drawn, one share a task, summing to 1.
        alphas: Concentration of the draws while training, one a slot.
    """

    tasks: tuple[str, ...]
    shares: tuple[float, ...]
    alphas: Sequence[float]


class PreferenceModule(nn.Module):
    """The plain module of `Preference`, whose preference `asking` changes."""

    def __init__(self, shape: Sequence[int], tasks: Sequence[str], shares: Sequence[float]) -> None:
        super().__init__()
        self.plane, self.shares = math.prod(shape[1:]), shares

    def forward(self, x: Tensor) -> Tensor:
        """[B, F] -> [B, F + T * P]."""
        asked = _ASKED.get()
        shares = x.new_tensor(self.shares) if asked is None else asked
        return torch.cat([x, shares.repeat_interleave(self.plane).expand(x.size(0), -1)], 1)


@dataclass
class Preference(Layer):
    """Rows with the share of each task behind them: T more values, or of images T more channels of one value each.

    Ruchte and Grabocka 2021 (arXiv 2103.13392). Their code makes channels of the shares by transposed convolutions that
    are trained; here they are constant. While training each step has a preference of its own, which is drawn from the
    slot's stream, so that a balancer can ask for the same; else it is the one that is set.

    Attributes:
        shape: Of one row that it takes, [F] or [C, H, W].
        conditioning: What it is told of preferences.
        first: Nobody needs the gradient of its input.
        scale: What the rows are multiplied by on their way in; the shares are not.
        shares: The preference wherever none is drawn; it may be set to another.
    """

    kind, described, plain = "preference", ("shape", "tasks", "shares"), PreferenceModule

    recordable = False

    shape: tuple[int, ...]
    conditioning: Conditioning
    first: bool = True
    scale: float = 1.0

    def __post_init__(self) -> None:
        self.tasks, self.shares = self.conditioning.tasks, self.conditioning.shares

    @property
    def inputs(self) -> int:
        """Values that it takes for a row."""
        return math.prod(self.shape)

    @property
    def outputs(self) -> int:
        """Values that it answers for a row."""
        return math.prod(self.answers)

    @property
    def answers(self) -> tuple[int, ...]:
        """Shape of one row that it answers, [F + T] or [C + T, H, W]."""
        return (self.shape[0] + len(self.shares), *self.shape[1:])

    def units(self, training: bool) -> int:
        """See `Layer`: its answer, and its input's gradient."""
        return self.outputs + (self.inputs if training and not self.first else 0)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, F] -> [K or 1, B, F + T * P]."""
        given = x.tensor.new_tensor(self._given(this))  # [K or 1, T]
        slots, rows = max(len(x.tensor), len(given)), x.tensor.size(1)
        y = self.scratch("y", slots, rows, self.outputs)
        own, planes = y.tensor.split([self.inputs, self.outputs - self.inputs], 2)
        torch.mul(x.tensor.expand(slots, -1, -1), self.scale, out=own)
        planes.unflatten(2, (len(self.shares), -1)).copy_(given[:, None, :, None])
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, F + T * P] -> [K, B, F]."""
        if self.first:
            return None
        back = into or self.scratch("back", *grad.tensor.shape[:2], self.inputs)
        back.tensor.copy_(grad.tensor[:, :, : self.inputs])
        return back

    def _given(self, this: Pass) -> list[tuple[float, ...]]:
        """The preference of every slot, or the one of all."""
        if this.streams is None:
            return [self.shares]
        return [
            stream.preference(len(self.shares), alpha, this.epoch, this.step)
            for stream, alpha in zip(this.streams, self.conditioning.alphas, strict=True)
        ]


@contextmanager
def asking(shares: Tensor | None) -> Iterator[None]:
    """As long as it is entered, plain modules append these shares [T] in place of their own; None leaves theirs."""
    token = _ASKED.set(shares)
    try:
        yield
    finally:
        _ASKED.reset(token)
