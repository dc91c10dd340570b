"""From the Gramian of one slot's gradients to their weights: methods that turn one gradient at each other in turn."""

import numpy as np
import torch
from torch import Tensor

from pipeline.balance.base import Kept

_SHORT = 1e-8  # of a unit: what is left of a gradient that others took away


class Surgery:
    """Each gradient loses what conflicts with the others, taken in random order (PCGrad).

    Yu et al. 2020 (arXiv 2001.06782), algorithm 1: the sum of what is left of all. The authors' PCGrad_tf.py takes the
    same order for every task.
    """

    draws = True

    def __call__(self, gramian: Tensor, draws: np.random.Generator) -> Tensor:
        """From the Gramian [T, T] to weights [T]."""
        given = gramian.double().cpu().numpy()
        weights = np.zeros(len(given))
        for one in range(len(given)):
            parts = np.eye(1, len(given), one)[0]
            products = given[one].copy()  # of what is left with every gradient
            for other in draws.permutation(len(given)):
                if other != one and products[other] < 0.0:
                    change = products[other] / given[other, other]
                    parts[other] -= change
                    products -= change * given[other]
            weights += parts
        return torch.from_numpy(weights).to(gramian)


class Vaccine:
    """Each pair of gradients is brought to the cosine that it has had on average (GradVac).

    Wang et al. 2021 (arXiv 2010.05874), equations 2 and 3, on everything shared; the paper does so layer by layer.

    Args:
        beta: Weight of the new cosines in their averages.

    Attributes:
        targets: These averages, [T, T], of a task (first axis) as it meets another.
    """

    kept = (Kept("targets", 2),)
    draws = True

    def __init__(self, beta: float) -> None:
        self._beta = beta
        self.targets = torch.zeros(0, 0)

    def __call__(self, gramian: Tensor, draws: np.random.Generator) -> Tensor:
        """From the Gramian [T, T] to weights [T]."""
        given = gramian.double().cpu().numpy()
        count, lengths = len(given), np.sqrt(given.diagonal())
        cosines = given / np.outer(lengths, lengths)
        targets = self.targets.double().cpu().numpy()
        weights = np.zeros(count)
        for one in range(count):
            parts = np.eye(1, count, one)[0]  # of unit gradients, as all lengths here
            along = cosines[one].copy()
            for other in draws.permutation(count):
                if other == one:
                    continue
                length = max(float(parts @ along), 0.0) ** 0.5
                cosine = min(max(along[other] / length, -1.0), 1.0) if length > _SHORT else 0.0
                target = targets[one, other]
                if length > _SHORT and cosine < target:
                    across, aim = (1 - cosine**2) ** 0.5, (1 - target**2) ** 0.5
                    change = length * (target * across - cosine * aim) / aim
                    parts[other] += change
                    along += change * cosines[other]
                targets[one, other] += self._beta * (cosine - target)
            weights += parts * lengths[one] / lengths
        self.targets = torch.from_numpy(targets)
        return torch.from_numpy(weights).to(gramian)
