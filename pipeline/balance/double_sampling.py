"""From inner products of the gradients of two halves of a batch to weights, by steps on the simplex."""

import numpy as np
import torch
from torch import Tensor

from pipeline.balance.base import Kept


class DoubleSampled:
    """Weights that descend, on the simplex, on the norm of the sum by two independent halves of the batch (MoDo).

    Chen et al. 2023 (arXiv 2305.20057), equation 5: the new weights are those of the step, as in the authors'
    LibMTL/weighting/MoDo.py (heshandevaka/Trade-Off-MOL). Its direction is that of the two halves, as there.

    Args:
        learning_rate: Of the weights (the paper's gamma).
        rho: Their regularisation.

    Attributes:
        shares: The weights of the last step, [T].
    """

    kept = (Kept("shares", 1, of=1.0, per_task=True),)

    def __init__(self, learning_rate: float, rho: float) -> None:
        self._rate, self._rho = learning_rate, rho
        self.shares = torch.zeros(0)

    def __call__(self, crossed: Tensor) -> Tensor:
        """From the inner products of the halves' gradients [T, T] to weights [T]."""
        given, last = (it.double().cpu().numpy() for it in (crossed, self.shares))
        self.shares = torch.from_numpy(on_simplex(last - self._rate * (given @ last + self._rho * last)))
        return self.shares.to(crossed)


class DirectionOriented:
    """The same, found anew in every step and held near the mean gradient (SDMGrad).

    Xiao et al. 2023 (arXiv 2305.18409), algorithm 1, with the momentum of the authors' methods/weight_methods.py
    (OptMN-Lab/sdmgrad), its division by 1 + lambda, and its products relative to the square of the mean norm. That adds
    1e-4 to squared norms, which is left out: weights do not follow a common factor of the losses.

    Args:
        learning_rate: Of the search.
        momentum: Of the search.
        iterations: Of the search.
        pull: Towards the mean (the paper's lambda).

    Attributes:
        shares: Where the last search ended, [T].
    """

    kept = (Kept("shares", 1, of=1.0, per_task=True),)

    def __init__(self, learning_rate: float, momentum: float, iterations: int, pull: float) -> None:
        self._rate, self._momentum, self._iterations, self._pull = learning_rate, momentum, iterations, pull
        self.shares = torch.zeros(0)

    def __call__(self, crossed: Tensor) -> Tensor:
        """From the inner products of the halves' gradients [T, T] to weights [T]."""
        given, shares = (it.double().cpu().numpy() for it in (crossed, self.shares))
        squares = given.diagonal()
        # Of independent halves a product with itself may be negative; there is no norm in it then.
        norms = np.sqrt(squares.clip(0.0) if (squares > 0).any() else abs(squares))
        given = given / norms.mean() ** 2
        mean = np.full(len(given), self._pull / len(given))
        velocity = np.zeros(len(given))
        for _ in range(self._iterations):
            velocity = self._momentum * velocity + given @ (shares + mean)
            shares = on_simplex(shares - self._rate * velocity)
        self.shares = torch.from_numpy(shares)
        return torch.from_numpy((shares + mean) / (1 + self._pull)).to(crossed)


def on_simplex(point: np.ndarray) -> np.ndarray:
    """The nearest point [T] whose values sum to 1 and of which none is negative (Held et al. 1974)."""
    falling = np.sort(point)[::-1]
    levels = (falling.cumsum() - 1) / np.arange(1, len(point) + 1)
    kept = int(np.count_nonzero(falling > levels))
    projected: np.ndarray = (point - levels[kept - 1]).clip(0.0)
    return projected
