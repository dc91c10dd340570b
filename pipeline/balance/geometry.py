"""Gradients recovered from their Gramian, the min-norm point of their convex hull, projections onto their dual cone.

Everything is in float64. Shapes: T gradients, R their rank.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_PASSES = 30  # times T: most iterations of a non-negative least squares problem, which takes about T in practice


class NotSolved(ArithmeticError):
    """A solver found no solution.

    Args:
        why: The reason, as a message.
        weights: The best weights found, [T], or None.
    """

    def __init__(self, why: str, weights: np.ndarray | None = None) -> None:
        super().__init__(why)
        self.weights = weights


@dataclass(frozen=True)
class Gradients:
    """Gradients as far as their Gramian determines them, which is up to a rotation.

    Norms and directions are stored apart, so that a short gradient is as exact as a long one.

    Attributes:
        lengths: Norms of the gradients, [T].
        units: Their directions in an orthogonal basis of their span, [T, R].
        values: Eigenvalues of the matrix of cosines, [R]; its eigenvectors are the basis.
    """

    lengths: np.ndarray
    units: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, gramian: Tensor) -> "Gradients":
        """The gradients of a Gramian [T, T]; none of them may be 0.

        Directions that rounding in the Gramian's dtype could have produced are dropped, so that linearly dependent
        gradients have a singular matrix of cosines again.

        >>> Gradients.of(torch.tensor([[4.0, 2.0], [2.0, 1.0]])).units.shape  # dependent: one direction
        (2, 1)
        """
        given = gramian.double().cpu().numpy()
        lengths = np.sqrt(given.diagonal())
        values, vectors = np.linalg.eigh(given / np.outer(lengths, lengths))
        kept = values > 8 * len(given) * torch.finfo(gramian.dtype).eps
        values = values[kept]
        return cls(lengths, vectors[:, kept] * np.sqrt(values), values)

    @property
    def rows(self) -> np.ndarray:
        """The gradients in the basis, [T, R]."""
        return self.units * self.lengths[:, None]

    @property
    def cosines(self) -> np.ndarray:
        """Cosines between the gradients, [T, T]."""
        return self.units @ self.units.T

    def solution(self, target: np.ndarray) -> np.ndarray:
        """The solution x [T] of the linear system cosines x = target [T], of least norm if it is singular."""
        return self.units @ (self.units.T @ target / self.values**2)


def min_norm_shares(points: np.ndarray) -> np.ndarray:
    """Shares [T] whose combination of points [T, R] is the min-norm point of their convex hull.

    With x = s a and a in the simplex, |P'x|^2 + (1'x - 1)^2 is least where |P'a| is, so that it is a non-negative least
    squares problem (Lawson and Hanson 1974, chapter 23), also for linearly dependent points.

    >>> min_norm_shares(np.array([[1.0, 0.0], [0.0, 2.0]])).round(3).tolist()
    [0.8, 0.2]

    Raises:
        NotSolved: The least squares problem was not solved.
    """
    lengths = np.linalg.norm(points, axis=1)
    shortest = lengths.min()
    if shortest == 0.0:
        at_zero = lengths == 0.0
        return at_zero / at_zero.sum()
    matrix = np.vstack([points.T / shortest, np.ones(len(points))])
    target = np.zeros(len(matrix))
    target[-1] = 1.0
    solution = _least_squares(matrix, target)
    solution /= solution.sum()
    return solution


def dual_cone_projections(gradients: Gradients, shares: np.ndarray) -> np.ndarray:
    """Weights [..., T] of weighted sums of gradients after projection onto the dual cone of the gradients.

    The dual cone holds the vectors that conflict with no gradient. The weights v minimise v'Gv subject to v >= u
    (Quinton and Rey 2024, arXiv 2406.16232, proposition 1).

    Args:
        gradients: The gradients that span the cone.
        shares: u, the weights [..., T] of the sums to project.

    Raises:
        NotSolved: A projection was not found.
    """
    basis = np.ascontiguousarray(gradients.units.T)
    coefficients = shares * gradients.lengths
    projected = np.empty_like(coefficients)
    for index in np.ndindex(coefficients.shape[:-1]):
        target = -basis @ coefficients[index]
        size = float(np.linalg.norm(target))
        added = _least_squares(basis, target / size) * size if size else 0.0
        projected[index] = coefficients[index] + added
    return projected / gradients.lengths


def _least_squares(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The x >= 0 for which |Ax - b| is least."""
    from scipy.optimize import nnls  # imported late: it takes a fifth of a second

    try:
        solution: np.ndarray = nnls(matrix, target, maxiter=_PASSES * matrix.shape[1])[0]
    except RuntimeError as error:
        raise NotSolved("non-negative least squares did not end") from error
    return solution
