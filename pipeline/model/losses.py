"""Losses of a stack: each row's loss, and the gradient of the weighted sum of the tasks' means.

Shapes: logits [K, B, C]; row losses [K, B]; weights [K].
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from pipeline.stacked import Scratch, Stacked, Targets


class Loss(ABC):
    """A task's loss; `forward` keeps what `backward` needs, so the two alternate.

    Args:
        device: Where logits and targets lie.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._scratch = Scratch(device)
        self._minus_one = torch.tensor(-1.0, device=device)

    def forward(self, logits: Tensor, targets: Targets, out: Tensor) -> None:
        """Write each row's loss [K, B]; that of a row without a label is any number."""
        self._targets = targets
        self._rows(logits, targets.classes.expand(logits.shape[:2]), out)

    def backward(self, weights: Tensor) -> Stacked:
        """Gradient of sum_k weights[k] * mean_k in the logits, [K, B, C]; a row without a label has none."""
        slopes = self._slopes()
        factors = self._scratch("factors", *slopes.tensor.shape[:2])
        torch.mul(self._targets.share, weights.unsqueeze(1), out=factors.tensor)
        slopes.tensor.mul_(factors.tensor.unsqueeze(2))
        return slopes

    @abstractmethod
    def predict(self, logits: Tensor, out: Tensor) -> None:
        """Write the predicted classes, int64 [K, B]."""

    @abstractmethod
    def _rows(self, logits: Tensor, classes: Tensor, out: Tensor) -> None:
        """Write each row's loss."""

    @abstractmethod
    def _slopes(self) -> Stacked:
        """Gradient of each row's loss in its logits: [K, B, C], in memory that the caller may change."""


class CrossEntropy(Loss):
    """Softmax cross-entropy of one class among C.

    Composed of torch's elementwise calls: its own log-softmax goes row by row, which takes five times as long for few
    classes.
    """

    def predict(self, logits: Tensor, out: Tensor) -> None:
        """See `Loss`."""
        torch.argmax(logits, -1, out=out)

    def _rows(self, logits: Tensor, classes: Tensor, out: Tensor) -> None:
        self._classes = classes.unsqueeze(2)
        slots, rows, _ = logits.shape
        top, self._sum, chosen = (self._scratch(name, slots, rows, 1) for name in ("top", "sum", "chosen"))
        self._powers = self._scratch("powers", *logits.shape)
        torch.amax(logits, 2, keepdim=True, out=top.tensor)
        torch.sub(logits, top.tensor, out=self._powers.tensor)
        torch.gather(self._powers.tensor, 2, self._classes, out=chosen.tensor)
        torch.exp(self._powers.whole, out=self._powers.whole)
        torch.sum(self._powers.tensor, 2, keepdim=True, out=self._sum.tensor)
        torch.log(self._sum.whole, out=top.whole)
        torch.sub(top.tensor.squeeze(2), chosen.tensor.squeeze(2), out=out)

    def _slopes(self) -> Stacked:
        slopes = self._powers.tensor.div_(self._sum.tensor)
        slopes.scatter_add_(2, self._classes, self._minus_one.expand(self._classes.shape))
        return self._powers


class BinaryCrossEntropy(Loss):
    """Cross-entropy of a single logit (C = 1) with targets 0 and 1."""

    def predict(self, logits: Tensor, out: Tensor) -> None:
        """See `Loss`."""
        torch.gt(logits.squeeze(2), 0, out=out)

    def _rows(self, logits: Tensor, classes: Tensor, out: Tensor) -> None:
        self._classes = classes.unsqueeze(2)
        # softplus(-z) where the target is 1: nothing cancels, however sure the network is.
        signed, losses = self._scratch("signed", *logits.shape), self._scratch("losses", *logits.shape)
        torch.mul(logits, 1 - 2 * self._classes, out=signed.tensor)
        torch.ops.aten.softplus.out(signed.whole, out=losses.whole)
        out.copy_(losses.tensor.squeeze(2))
        self._logits = self._scratch("logits", *logits.shape)
        self._logits.tensor.copy_(logits)

    def _slopes(self) -> Stacked:
        torch.sigmoid(self._logits.whole, out=self._logits.whole)
        self._logits.tensor.sub_(self._classes)
        return self._logits


def loss_of(kind: str, device: str = "cpu") -> Loss:
    """The loss of a kind of task."""
    return BinaryCrossEntropy(device) if kind == "binary" else CrossEntropy(device)
