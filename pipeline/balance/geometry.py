"""Gradients from their Gramian, the nearest point of their convex hull, and projections onto their dual cone.

Everything is in float64. Shapes: T gradients, R their rank.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_PASSES = 30  # times T: most iterations of a non-negative least squares problem, which takes about T


class Unsolved(ArithmeticError):
    """A solver did not come to its solution.

    Args:
        why: In words.
        weights: [T], the best that it came to; None where that is nothing.
    """

    def __init__(self, why: str, weights: np.ndarray | None = None) -> None:
        super().__init__(why)
        self.weights = weights


@dataclass(frozen=True)
class Gradients:
    """What a Gramian tells of the gradients: they are known up to a rotation.

    Lengths and directions are kept apart, so that a short gradient is as exact as a long one.

    Attributes:
        lengths: Norms, [T].
        units: Directions in a basis of what they span, [T, R].
        values: Eigenvalues of their cosines, [R]; the basis is that of their eigenvectors.
    """

    lengths: np.ndarray
    units: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, gramian: Tensor) -> "Gradients":
        """From inner products [T, T], none of a gradient that is 0.

        What the rounding of its dtype could have made of nothing is no direction: linearly dependent gradients have a
        singular Gramian again.
        """
        given = gramian.double().cpu().numpy()
        lengths = np.sqrt(given.diagonal())
        values, vectors = np.linalg.eigh(given / np.outer(lengths, lengths))
        kept = values > 8 * len(given) * torch.finfo(gramian.dtype).eps
        values = values[kept]
        return cls(lengths, vectors[:, kept] * np.sqrt(values), values)

    @property
    def rows(self) -> np.ndarray:
        """The gradients themselves, [T, R]."""
        rows: np.ndarray = self.units * self.lengths[:, None]
        return rows

    @property
    def cosines(self) -> np.ndarray:
        """[T, T]."""
        cosines: np.ndarray = self.units @ self.units.T
        return cosines

    def solution(self, target: np.ndarray) -> np.ndarray:
        """Of the system of their cosines for a target [T]: the shortest, where it is singular; x [T]."""
        solved: np.ndarray = self.units @ (self.units.T @ target / self.values**2)
        return solved


def nearest(points: np.ndarray) -> np.ndarray:
    """Shares [T] of points [T, R] for which their sum is the point of their convex hull that is nearest to 0.

    With x = s a and a in the simplex, |P'x|^2 + (1'x - 1)^2 is least where |P'a| is, so that non-negative least squares
    (Lawson and Hanson 1974, chapter 23) find it; linearly dependent points are no exception.

    Raises:
        Unsolved: They did not.
    """
    lengths = np.linalg.norm(points, axis=1)
    shortest = lengths.min()
    if shortest == 0.0:
        at_zero = lengths == 0.0
        shares: np.ndarray = at_zero / at_zero.sum()
        return shares
    matrix = np.vstack([points.T / shortest, np.ones(len(points))])
    target = np.zeros(len(matrix))
    target[-1] = 1.0
    found = _least_squares(matrix, target)
    found /= found.sum()
    return found


def projections(gradients: Gradients, shares: np.ndarray) -> np.ndarray:
    """Weights [..., T] of sums of gradients, each projected onto the cone of what conflicts with no gradient.

    They are v that minimises v'Gv with v >= u (Quinton and Rey 2024, arXiv 2406.16232, proposition 1).

    Args:
        gradients: Them.
        shares: u, the weights [..., T] of the sums to project.

    Raises:
        Unsolved: One could not be.
    """
    basis = np.ascontiguousarray(gradients.units.T)
    given = shares * gradients.lengths
    answers = np.empty_like(given)
    for place in np.ndindex(given.shape[:-1]):
        wanted = -basis @ given[place]
        size = float(np.linalg.norm(wanted))
        added = _least_squares(basis, wanted / size) * size if size else 0.0
        answers[place] = given[place] + added
    weights: np.ndarray = answers / gradients.lengths
    return weights


def _least_squares(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The x >= 0 for which |Ax - b| is least."""
    from scipy.optimize import nnls  # late: to import it takes a fifth of a second

    try:
        found: np.ndarray = nnls(matrix, target, maxiter=_PASSES * matrix.shape[1])[0]
    except RuntimeError as error:
        raise Unsolved("non-negative least squares did not end") from error
    return found
