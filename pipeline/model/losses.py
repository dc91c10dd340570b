"""Losses of a stack: the gradient that a step needs, and each row's loss and prediction, which many steps share.

Shapes: logits [K, B, C]; classes [S, B]; row losses and predictions [K, B]; weights [K].
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from pipeline.stacked import Scratch, Stacked, Targets


class Loss(ABC):
    """A task's loss.

    It is fastest on logits that lie in memory as [K, C, B], as the last layer of a head leaves them: torch's softmax
    then takes many rows at a time.

    Args:
        device: Where logits and targets lie.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._scratch = Scratch(device)
        self._factors_of: tuple[Tensor, Tensor] | None = None

    def slopes(self, logits: Tensor, targets: Targets, weights: Tensor) -> Stacked:
        """Gradient of sum_k weights[k] * mean_k in the logits, [K, B, C]; a row without a label has none.

        Valid until the next call.
        """
        columns = logits.mT
        slopes = self._scratch("slopes", *columns.shape)
        self._slopes(columns, targets.classes.unsqueeze(1), slopes)
        slopes.tensor.mul_(self._factors(targets.share, weights))
        return slopes.turned

    def _factors(self, share: Tensor, weights: Tensor) -> Tensor:
        """What each row's gradient is multiplied by, [K, 1, B]; often that of the last step."""
        factors = self._scratch("factors", len(weights), 1, share.size(1)).tensor
        if self._factors_of is None or self._factors_of[0] is not share or self._factors_of[1] is not weights:
            torch.mul(share.unsqueeze(1), weights.view(-1, 1, 1), out=factors)
            self._factors_of = share, weights
        return factors

    @abstractmethod
    def rows(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Each row's loss, that of a row without a label any number; the caller may change them."""

    @abstractmethod
    def predict(self, logits: Tensor) -> Tensor:
        """The predicted classes, int64."""

    @abstractmethod
    def _slopes(self, logits: Tensor, classes: Tensor, out: Stacked) -> None:
        """Write the gradient of each row's loss, from logits [K, C, B] and classes [S, 1, B]: [K, C, B]."""


class CrossEntropy(Loss):
    """Softmax cross-entropy of one class among C."""

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        self._device = device
        self._minus_ones: dict[torch.Size, Tensor] = {}

    def rows(self, logits: Tensor, classes: Tensor) -> Tensor:
        """See `Loss`."""
        chosen = classes.unsqueeze(1).expand(len(logits), -1, -1)
        return torch.log_softmax(logits.mT, 1).gather(1, chosen).squeeze(1).neg_()

    def predict(self, logits: Tensor) -> Tensor:
        """See `Loss`."""
        return logits.mT.max(1).indices  # of equals the first, as argmax answers in ten times as long

    def _slopes(self, logits: Tensor, classes: Tensor, out: Stacked) -> None:
        torch.softmax(logits, 1, out=out.tensor)
        chosen = classes if len(classes) == len(logits) else classes.expand(len(logits), -1, -1)
        if chosen.shape not in self._minus_ones:
            self._minus_ones[chosen.shape] = torch.full(chosen.shape, -1.0, device=self._device)
        out.tensor.scatter_add_(1, chosen, self._minus_ones[chosen.shape])


class BinaryCrossEntropy(Loss):
    """Cross-entropy of a single logit (C = 1) with targets 0 and 1."""

    def rows(self, logits: Tensor, classes: Tensor) -> Tensor:
        """See `Loss`."""
        # softplus(-z) where the target is 1: nothing cancels, however sure the network is.
        losses = self._scratch("losses", *logits.shape[:2])
        torch.mul(logits.squeeze(2), 1 - 2 * classes, out=losses.tensor)
        torch.ops.aten.softplus.out(losses.whole, out=losses.whole)
        return losses.tensor

    def predict(self, logits: Tensor) -> Tensor:
        """See `Loss`."""
        return (logits.squeeze(2) > 0).long()

    def _slopes(self, logits: Tensor, classes: Tensor, out: Stacked) -> None:
        out.tensor.copy_(logits)
        torch.sigmoid(out.whole, out=out.whole)
        out.tensor.sub_(classes)


def loss_of(kind: str, device: str = "cpu") -> Loss:
    """The loss of a kind of task."""
    return BinaryCrossEntropy(device) if kind == "binary" else CrossEntropy(device)
