"""Gradient surgery: methods that change each task's gradient against every other's, in terms of their Gramian."""

import numpy as np
import torch
from torch import Tensor

from pipeline.balance.balancer import StateSpec

_SHORT = 1e-8  # relative to a unit gradient: a shorter remainder has no direction


class PCGrad:
    """PCGrad: each gradient is projected onto the normal plane of every other that it conflicts with, in random order.

    Yu et al. 2020 (arXiv 2001.06782), algorithm 1: the sum of the projected gradients. The authors' PCGrad_tf.py takes
    the same order for every task.
    """

    draws = True

    def __call__(self, gramian: Tensor, draws: np.random.Generator) -> Tensor:
        """The weights [T] from the Gramian [T, T]."""
        given = gramian.double().cpu().numpy()
        weights = np.zeros(len(given))
        for one in range(len(given)):
            parts = np.eye(1, len(given), one)[0]
            products = given[one].copy()  # of the projected gradient with every gradient
            for other in draws.permutation(len(given)):
                if other != one and products[other] < 0.0:
                    change = products[other] / given[other, other]
                    parts[other] -= change
                    products -= change * given[other]
            weights += parts
        return torch.from_numpy(weights).to(gramian)


class GradVac:
    """GradVac: gradients are changed so that each pair has the moving average of its cosines.

    Wang et al. 2021 (arXiv 2010.05874), equations 2 and 3, over all shared parameters; the paper goes layer by layer.

    Args:
        beta: Weight of the new cosines in the moving averages.

    Attributes:
        targets: The moving averages of the cosines, [T, T], of a task (first axis) with each other task.
    """

    state_specs = (StateSpec("targets", 2),)
    draws = True

    def __init__(self, beta: float) -> None:
        self._beta = beta
        self.targets = torch.zeros(0, 0)

    def __call__(self, gramian: Tensor, draws: np.random.Generator) -> Tensor:
        """The weights [T] from the Gramian [T, T]."""
        given = gramian.double().cpu().numpy()
        count, lengths = len(given), np.sqrt(given.diagonal())
        cosines = given / np.outer(lengths, lengths)
        targets = self.targets.double().cpu().numpy()
        weights = np.zeros(count)
        for one in range(count):
            parts = np.eye(1, count, one)[0]  # in multiples of unit gradients, as all lengths here
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
