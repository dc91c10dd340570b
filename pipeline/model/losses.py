"""Losses of a stack: the gradient that a step needs, and the loss of each target, which many steps share.

Shapes: logits [K, B, C]; targets [S, B], or [S, B, L] of L labels at once (then C = L); weights [K]. A token that is
to be tagged is a row.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

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
        """Gradient of sum_k weights[k] * mean_k in the logits, [K, B, C]; where a target is missing there is none.

        Valid until the next call.
        """
        columns = logits.mT
        slopes = self._scratch("slopes", *columns.shape)
        self._slopes(columns, _columns(targets.values), slopes)
        slopes.tensor.mul_(self._factors(targets.share, weights))
        return slopes.turned

    def _factors(self, share: Tensor, weights: Tensor) -> Tensor:
        """What each target's gradient is multiplied by, [K, 1 or L, B]; often that of the last step."""
        columns = _columns(share)
        factors = self._scratch("factors", len(weights), *columns.shape[1:]).tensor
        if self._factors_of is None or self._factors_of[0] is not share or self._factors_of[1] is not weights:
            torch.mul(columns, weights.view(-1, 1, 1), out=factors)
            self._factors_of = share, weights
        return factors

    @abstractmethod
    def rows(self, logits: Tensor, values: Tensor) -> Tensor:
        """The loss of each target, [K, B] or [K, B, L]; where one is missing any number. The caller may change them."""

    @abstractmethod
    def _slopes(self, logits: Tensor, values: Tensor, out: Stacked) -> None:
        """Write the gradient of each target's loss, from logits [K, C, B] and targets [S, 1 or L, B]: [K, C, B]."""


class CrossEntropy(Loss):
    """Softmax cross-entropy of one class among C."""

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        self._device = device
        self._minus_ones: dict[torch.Size, Tensor] = {}

    def rows(self, logits: Tensor, values: Tensor) -> Tensor:
        """See `Loss`."""
        chosen = values.unsqueeze(1).expand(len(logits), -1, -1)
        return torch.log_softmax(logits.mT, 1).gather(1, chosen).squeeze(1).neg_()

    def _slopes(self, logits: Tensor, values: Tensor, out: Stacked) -> None:
        torch.softmax(logits, 1, out=out.tensor)
        chosen = values if len(values) == len(logits) else values.expand(len(logits), -1, -1)
        if chosen.shape not in self._minus_ones:
            self._minus_ones[chosen.shape] = torch.full(chosen.shape, -1.0, device=self._device)
        out.tensor.scatter_add_(1, chosen, self._minus_ones[chosen.shape])


class BinaryCrossEntropy(Loss):
    """Cross-entropy of single logits with targets 0 and 1: one a row (C = 1), or one for each of L labels."""

    def rows(self, logits: Tensor, values: Tensor) -> Tensor:
        """See `Loss`."""
        # softplus(-z) where the target is 1: nothing cancels, however sure the network is.
        alike = _alike(logits, values)
        losses = self._scratch("losses", *alike.shape)
        torch.mul(alike, 1 - 2 * values, out=losses.tensor)
        torch.ops.aten.softplus.out(losses.whole, out=losses.whole)
        return losses.tensor

    def _slopes(self, logits: Tensor, values: Tensor, out: Stacked) -> None:
        out.tensor.copy_(logits)
        torch.sigmoid(out.whole, out=out.whole)
        out.tensor.sub_(values)


class Focal(Loss):
    """(1 - p)^focal times the cross-entropy -log p of what is true (Lin et al. 2017, arXiv 1708.02002).

    Args:
        plain: The cross-entropy.
        focal: The exponent.
        device: Where logits and targets lie.
    """

    def __init__(self, plain: Loss, focal: float, device: str = "cpu") -> None:
        super().__init__(device)
        self._plain, self._focal = plain, focal

    def rows(self, logits: Tensor, values: Tensor) -> Tensor:
        """See `Loss`."""
        losses = self._plain.rows(logits, values)
        rows = self._scratch("rows", *losses.shape)
        rows.tensor.copy_(losses)
        rows.whole.mul_(torch.expm1(-rows.whole).neg_().pow_(self._focal))
        return rows.tensor

    def _slopes(self, logits: Tensor, values: Tensor, out: Stacked) -> None:
        self._plain._slopes(logits, values, out)
        # A slope's size is how far an answer is from the truth; among classes the true one's is the largest, 1 - p.
        far = out.tensor.abs()
        if isinstance(self._plain, CrossEntropy):
            far = far.amax(1, keepdim=True)
        rest = self._scratch("rest", *far.shape)
        rest.tensor.copy_(far)
        rest.whole.copy_(_focal_factors(rest.whole, self._focal))
        out.tensor.mul_(rest.tensor)


class SquaredError(Loss):
    """(z - t)^2."""

    def rows(self, logits: Tensor, values: Tensor) -> Tensor:
        """See `Loss`."""
        return (_alike(logits, values) - values).square_()

    def _slopes(self, logits: Tensor, values: Tensor, out: Stacked) -> None:
        torch.sub(logits, values, out=out.tensor)
        out.tensor.mul_(2.0)


class AbsoluteError(Loss):
    """|z - t|, with slope 0 where the two are equal."""

    def rows(self, logits: Tensor, values: Tensor) -> Tensor:
        """See `Loss`."""
        return (_alike(logits, values) - values).abs_()

    def _slopes(self, logits: Tensor, values: Tensor, out: Stacked) -> None:
        torch.sub(logits, values, out=out.tensor)
        out.tensor.sign_()


class Huber(Loss):
    """(z - t)^2 / 2 up to a distance of 1, |z - t| - 1/2 beyond it (Huber 1964, Annals of Math. Statistics 35)."""

    def rows(self, logits: Tensor, values: Tensor) -> Tensor:
        """See `Loss`."""
        alike = _alike(logits, values)
        return functional.huber_loss(alike, values.expand_as(alike), reduction="none")

    def _slopes(self, logits: Tensor, values: Tensor, out: Stacked) -> None:
        torch.sub(logits, values, out=out.tensor)
        out.tensor.clamp_(-1.0, 1.0)


_SURE = 1e-7  # a probability this near to 0 or 1 is taken for so far from it


def _focal_factors(rest: Tensor, focal: float) -> Tensor:
    """What a focal loss multiplies the slope of the cross-entropy by, from 1 - p, of whole padded memory."""
    rest = rest.clamp(_SURE, 1.0 - _SURE)
    power = rest.pow(focal - 1.0)
    return power * (rest - focal * (1.0 - rest) * torch.log1p(-rest))


def _columns(targets: Tensor) -> Tensor:
    """[S, B] or [S, B, L] as [S, 1 or L, B]."""
    return targets.unsqueeze(1) if targets.dim() == 2 else targets.mT


def _alike(logits: Tensor, values: Tensor) -> Tensor:
    """The logits [K, B, C] in the shape of their targets."""
    return logits.squeeze(2) if values.dim() == 2 else logits
