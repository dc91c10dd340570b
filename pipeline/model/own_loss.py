"""A loss of the user's own: what is asked of it, and how it becomes a loss of a stack.

Shapes: B rows, C outputs, L labels at once; others as in `pipeline.model.losses`.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.kinds import kind_of
from pipeline.model.losses import Loss
from pipeline.plugins import first_line, part
from pipeline.stacked import Stacked, Targets


class Rows(Protocol):
    """What a loss of one's own is: an object that keeps nothing from one call to the next."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of each target, differentiable in the logits.

        Args:
            logits: float32 [B, C]; C is 1 for binary and regression tasks.
            targets: Of a multiclass or binary task int64 [B], the number of the class; of a multilabel task float32
                [B, L], 1 or 0; of a regression task float32 [B], (target - mean) / deviation of the training targets.
                A missing one is 0, and what is answered for it counts for nothing, as long as it is finite.

        Returns:
            [B], or [B, L] of a multilabel task. The loss of a target depends on its own row only.
        """


class OwnLoss(Loss):
    """A loss of the user's own, run slot by slot under autograd, so that no slot can feel another.

    Args:
        path: Its class, as `package.module:Class`.
        arguments: Keyword arguments of it.
        device: Where logits and targets lie.

    Raises:
        UserError: It is not there, or cannot be made.
    """

    def __init__(self, path: str, arguments: Mapping[str, Any], device: str = "cpu") -> None:
        super().__init__(device)
        self._path, self._own = path, part(path, arguments, "rows")

    def slopes(self, logits: Tensor, targets: Targets, weights: Tensor) -> Stacked:
        """See `Loss`."""
        slopes = self._scratch("slopes", *logits.mT.shape)
        factors = targets.share * weights.view(-1, *[1] * (targets.share.dim() - 1))
        slots = zip(logits, _each(targets.values, logits), factors, slopes.turned.slots, strict=True)
        for answers, values, factor, out in slots:
            out.copy_(self._slope(answers, values, factor))
        return slopes.turned

    def rows(self, logits: Tensor, values: Tensor) -> Tensor:
        """See `Loss`."""
        with torch.no_grad():
            slots = zip(logits, _each(values, logits), strict=True)
            return torch.stack([self._answer(answers.clone(), own) for answers, own in slots])

    def _slopes(self, logits: Tensor, values: Tensor, out: Stacked) -> None:
        raise NotImplementedError  # a label's loss may depend on the logits of others: see `slopes`

    def _slope(self, logits: Tensor, values: Tensor, factors: Tensor) -> Tensor:
        with torch.enable_grad():
            asked = logits.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
            losses = self._answer(asked, values)
            if not losses.requires_grad:
                raise UserError(f"loss '{self._path}' cannot be differentiated: compute it from the logits with torch")
            return torch.autograd.grad(losses, asked, factors)[0]

    def _answer(self, logits: Tensor, values: Tensor) -> Tensor:
        try:
            losses = self._own.rows(logits, values.clone())
        except Exception as error:
            raise UserError(f"loss '{self._path}': {first_line(error)}") from error
        if not isinstance(losses, Tensor) or losses.shape != values.shape or losses.dtype != logits.dtype:
            found = f"{losses.dtype} {list(losses.shape)}" if isinstance(losses, Tensor) else type(losses).__name__
            raise UserError(
                f"loss '{self._path}' should answer {logits.dtype} {list(values.shape)}, one for each target, "
                f"for logits {list(logits.shape)}; found {found}"
            )
        return losses


def check_loss(kind: str, path: str, arguments: Mapping[str, Any]) -> None:
    """Try a loss of the user's own on two rows that are made up.

    Args:
        kind: Of the task.
        path: Its class.
        arguments: Of the class.

    Raises:
        UserError: It is not there, cannot be made, or is none.
    """
    loss = OwnLoss(path, arguments)
    logits, targets = made_up(kind, rows=2)
    slopes = loss.slopes(logits.unsqueeze(0), Targets.complete(targets.unsqueeze(0)), torch.ones(1)).tensor
    if not (slopes.isfinite().all() and loss.rows(logits.unsqueeze(0), targets.unsqueeze(0)).isfinite().all()):
        raise UserError(f"loss '{path}' or its gradient is not finite for logits {logits.tolist()}")


def made_up(kind: str, rows: int, outputs: int = 3) -> tuple[Tensor, Tensor]:
    """Logits [B, C] and targets of a task's kind, always the same.

    Args:
        kind: Of the task.
        rows: B.
        outputs: C, of a multiclass or multilabel task.
    """
    about = kind_of(kind)
    outputs = about.outputs(outputs)
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, outputs, generator=draws)
    if about.is_number:
        return logits, torch.randn(rows, generator=draws)
    if about.form == "labels":
        return logits, torch.randint(2, (rows, outputs), generator=draws).float()
    return logits, torch.randint(max(outputs, 2), (rows,), generator=draws)


def _each(values: Tensor, logits: Tensor) -> Tensor:
    """The targets of every slot."""
    return values.expand(len(logits), *values.shape[1:])
