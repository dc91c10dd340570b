"""Losses of a stack: each task's mean over its labelled rows, and the gradient of the weighted sum.

Shapes: logits [K, B, C]; targets [K or 1, B], -1 where the label is missing; losses and weights [K].
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from pipeline.model.layers import Scratch

MISSING = -1
"""The target of a row that has no label."""

_MINUS_ONE = torch.tensor(-1.0)


class Loss(ABC):
    """A task's loss; `forward` keeps what `backward` needs, so the two alternate."""

    def __init__(self) -> None:
        self._scratch = Scratch()

    def forward(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss over labelled rows, 0 where there are none: [K]; and their number: [K or 1]."""
        labelled = targets != MISSING
        count = labelled.sum(-1, keepdim=True)
        self._share = labelled / count.clamp_min(1)
        safe = targets.clamp_min(0).expand(logits.shape[:2])
        return self._rows(logits, safe).mul_(self._share).sum(-1), count.squeeze(-1)

    def backward(self, weights: Tensor) -> Tensor:
        """Gradient of sum_k weights[k] * loss[k] in the logits: [K, B, C]."""
        return self._slopes().mul_((self._share * weights.unsqueeze(-1)).unsqueeze(-1))

    @abstractmethod
    def correct(self, logits: Tensor, targets: Tensor) -> Tensor:
        """How many labelled rows are predicted right: [K]."""

    @abstractmethod
    def _rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Each row's loss, [K, B] in memory that the caller may change; missing targets have become 0."""

    @abstractmethod
    def _slopes(self) -> Tensor:
        """Gradient of each row's loss in its logits: [K, B, C], in memory that the caller may change."""


class CrossEntropy(Loss):
    """Softmax cross-entropy of one class among C."""

    def correct(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See `Loss`."""
        return (logits.argmax(-1) == targets).sum(-1)

    def _rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        self._target = targets.unsqueeze(-1)
        self._log = self._scratch("log", *logits.shape)
        for z, out in zip(logits.unbind(), self._log.slots, strict=True):
            torch.log_softmax(z, -1, out=out)
        return self._log.tensor.gather(-1, self._target).squeeze(-1).neg_()

    def _slopes(self) -> Tensor:
        slopes = self._scratch("slopes", *self._log.tensor.shape)
        for log, out in zip(self._log.slots, slopes.slots, strict=True):
            torch.exp(log, out=out)
        return slopes.tensor.scatter_add_(-1, self._target, _MINUS_ONE.expand(self._target.shape))


class BinaryCrossEntropy(Loss):
    """Cross-entropy of a single logit (C = 1) with targets 0 and 1."""

    def correct(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See `Loss`."""
        return ((logits.squeeze(-1) > 0) == targets).sum(-1)

    def _rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        self._logits, self._target = logits, targets.unsqueeze(-1)
        # softplus(-z) where the target is 1: nothing cancels, however sure the network is.
        signed, rows = self._scratch("signed", *logits.shape), self._scratch("rows", *logits.shape)
        torch.mul(logits, 1 - 2 * self._target, out=signed.tensor)
        for z, out in zip(signed.slots, rows.slots, strict=True):
            torch.ops.aten.softplus.out(z, out=out)
        return rows.tensor.squeeze(-1)

    def _slopes(self) -> Tensor:
        slopes = self._scratch("slopes", *self._logits.shape)
        for z, out in zip(self._logits.unbind(), slopes.slots, strict=True):
            torch.sigmoid(z, out=out)
        return slopes.tensor.sub_(self._target)


def loss_of(kind: str) -> Loss:
    """The loss of a kind of task."""
    return BinaryCrossEntropy() if kind == "binary" else CrossEntropy()
