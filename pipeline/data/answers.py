"""Answers to a regression task: kept within the range of its training targets."""

import torch
from torch import Tensor


def within(answers: Tensor, low: float, high: float) -> Tensor:
    """Answers of any shape, the finite ones clipped: what is infinite or undefined tells of a network that diverged."""
    return torch.where(answers.isfinite(), answers.clamp(low, high), answers)
