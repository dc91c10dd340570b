"""Weights from inner products between the gradients of the two halves of a batch, by steps on the simplex."""

import numpy as np
import torch
from torch import Tensor

from pipeline.balance.balancer import StateSpec


class MoDo:
    """MoDo: projected gradient descent on the norm of the weighted sum, estimated from two independent half-batches.

    Chen et al. 2023 (arXiv 2305.20057), equation 5: the step uses the updated weights, as in the authors'
    LibMTL/weighting/MoDo.py (heshandevaka/Trade-Off-MOL), and the gradients of both halves, as there.

    Args:
        learning_rate: Learning rate of the weights (the paper's gamma).
        rho: Regularisation of the weights.

    Attributes:
        shares: The weights of the last step, [T].
    """

    state_specs = (StateSpec("shares", 1, fill=1.0, per_task=True),)

    def __init__(self, learning_rate: float, rho: float) -> None:
        self._rate, self._rho = learning_rate, rho
        self.shares = torch.zeros(0)

    def __call__(self, crossed: Tensor) -> Tensor:
        """The weights [T] from the inner products of the halves' gradients [T, T]."""
        given, last = (it.double().cpu().numpy() for it in (crossed, self.shares))
        self.shares = torch.from_numpy(project_to_simplex(last - self._rate * (given @ last + self._rho * last)))
        return self.shares.to(crossed)


class SDMGrad:
    """SDMGrad: as MoDo, solved anew in every step and regularised towards the mean gradient.

    Xiao et al. 2023 (arXiv 2305.18409), algorithm 1, with the momentum of the authors' methods/weight_methods.py
    (OptMN-Lab/sdmgrad), its division by 1 + lambda, and its products relative to the square of the mean norm. That adds
    1e-4 to squared norms, which is left out: weights do not follow a common factor of the losses.

    Args:
        learning_rate: Learning rate of the inner optimisation.
        momentum: Momentum of the inner optimisation.
        iterations: Steps of the inner optimisation.
        pull: Strength of the regularisation towards the mean gradient (the paper's lambda).

    Attributes:
        shares: The result of the last inner optimisation, [T].
    """

    state_specs = (StateSpec("shares", 1, fill=1.0, per_task=True),)

    def __init__(self, learning_rate: float, momentum: float, iterations: int, pull: float) -> None:
        self._rate, self._momentum, self._iterations, self._pull = learning_rate, momentum, iterations, pull
        self.shares = torch.zeros(0)

    def __call__(self, crossed: Tensor) -> Tensor:
        """The weights [T] from the inner products of the halves' gradients [T, T]."""
        given, shares = (it.double().cpu().numpy() for it in (crossed, self.shares))
        squares = given.diagonal()
        # The product of two independent halves' gradients of one task may be negative; it is then no squared norm.
        norms = np.sqrt(squares.clip(0.0) if (squares > 0).any() else abs(squares))
        given = given / norms.mean() ** 2
        mean = np.full(len(given), self._pull / len(given))
        velocity = np.zeros(len(given))
        for _ in range(self._iterations):
            velocity = self._momentum * velocity + given @ (shares + mean)
            shares = project_to_simplex(shares - self._rate * velocity)
        self.shares = torch.from_numpy(shares)
        return torch.from_numpy((shares + mean) / (1 + self._pull)).to(crossed)


def project_to_simplex(point: np.ndarray) -> np.ndarray:
    """The Euclidean projection of a point [T] onto the probability simplex (Held et al. 1974).

    >>> project_to_simplex(np.array([0.9, 0.5, -1.0])).round(3).tolist()
    [0.7, 0.3, 0.0]
    """
    descending = np.sort(point)[::-1]
    levels = (descending.cumsum() - 1) / np.arange(1, len(point) + 1)
    kept = int(np.count_nonzero(descending > levels))
    return (point - levels[kept - 1]).clip(0.0)
