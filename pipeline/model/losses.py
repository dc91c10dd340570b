"""Losses of a stack: each task's mean over its labelled rows, and the gradient of the weighted sum.

Shapes: logits [K, B, C]; targets [K or 1, B], -1 where the label is missing; losses and weights [K].
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

MISSING = -1
"""The target of a row that has no label."""


class Loss(Protocol):
    """A task's loss; `forward` keeps what `backward` needs."""

    def forward(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss over labelled rows, 0 where there are none, and their number: both [K]."""

    def backward(self, weights: Tensor) -> Tensor:
        """Gradient of sum_k weights[k] * loss[k] in the logits: [K, B, C]."""

    def correct(self, logits: Tensor, targets: Tensor) -> Tensor:
        """How many labelled rows are predicted right: [K]."""


class CrossEntropy:
    """Softmax cross-entropy of one class among C."""

    def forward(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """See `Loss`."""
        labelled, safe = _labelled(logits, targets)
        self._log = _by_slot(lambda z: functional.log_softmax(z, -1), logits)
        self._target, self._scale = safe, labelled
        picked = self._log.gather(-1, safe.unsqueeze(-1)).squeeze(-1)
        return _mean(-picked, labelled)

    def backward(self, weights: Tensor) -> Tensor:
        """See `Loss`."""
        grad = _by_slot(torch.exp, self._log)
        minus_one = grad.new_full((), -1.0).expand(*grad.shape[:-1], 1)
        grad.scatter_add_(-1, self._target.unsqueeze(-1), minus_one)
        return grad.mul_(_row_weights(self._scale, weights).unsqueeze(-1))

    def correct(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See `Loss`."""
        return (logits.argmax(-1) == targets).sum(-1)


class BinaryCrossEntropy:
    """Cross-entropy of a single logit (C = 1) with targets 0 and 1."""

    def forward(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """See `Loss`."""
        self._scale, safe = _labelled(logits, targets)
        self._logits, self._target = logits.squeeze(-1), safe.to(logits.dtype)
        rows = _by_slot(functional.softplus, self._logits) - self._logits * self._target
        return _mean(rows, self._scale)

    def backward(self, weights: Tensor) -> Tensor:
        """See `Loss`."""
        grad = _by_slot(torch.sigmoid, self._logits).sub_(self._target)
        return grad.mul_(_row_weights(self._scale, weights)).unsqueeze(-1)

    def correct(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See `Loss`."""
        return ((logits.squeeze(-1) > 0).long() == targets).sum(-1)


def _labelled(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows are labelled (1 or 0), and targets that are safe to look up: [K, B] both."""
    targets = targets.expand(logits.shape[:2])
    return (targets != MISSING).to(logits.dtype), targets.clamp_min(0)


def _mean(rows: Tensor, labelled: Tensor) -> tuple[Tensor, Tensor]:
    rows = rows * labelled
    total = torch.stack([row.sum() for row in rows.unbind()])
    count = torch.stack([row.sum() for row in labelled.unbind()])
    return total / count.clamp_min(1.0), count


def _row_weights(labelled: Tensor, weights: Tensor) -> Tensor:
    """What each row's gradient is multiplied by: weight / number of labelled rows, or 0: [K, B]."""
    count = torch.stack([row.sum() for row in labelled.unbind()]).clamp_min(1.0)
    return labelled * (weights / count).unsqueeze(-1)


def _by_slot(function, x: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
    # A call a slot: transcendental functions may differ in the last bit between vector and tail.
    return torch.stack([function(part) for part in x.unbind()])


def loss_of(kind: str) -> Loss:
    """The loss of a kind of task."""
    return BinaryCrossEntropy() if kind == "binary" else CrossEntropy()
