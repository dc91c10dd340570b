"""Answers to a regression task: kept within the range of its training targets."""

import torch
from torch import Tensor


def within(answers: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    """Answers of any shape, the finite ones clipped: what is infinite or undefined tells of a network that diverged.

    Args:
        answers: Of all slots.
        low: Of all slots, or a tensor that goes with the answers.
        high: The same.
    """
    return torch.where(answers.isfinite(), answers.clamp(low, high), answers)  # type: ignore[arg-type]
