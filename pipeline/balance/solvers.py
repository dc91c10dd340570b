"""From the Gramian of one slot's gradients to their weights: methods that solve a problem in every step.

Each is held to its paper; all take a Gramian [T, T] of gradients none of which is 0, of whatever lengths and however
dependent, to weights [T] of its dtype.
"""

import numpy as np
import torch
from torch import Tensor

from pipeline.balance.geometry import Gradients, Unsolved, nearest, projections

_RIDGE = 1e-8  # of a squared norm: gradients that cancel out have no solution
_EXACT = 1e-9
_NEAR = 1e-6  # relative step from which the next is as exact as float64 allows
_TINY = 1e-8


def least_norm(gramian: Tensor) -> Tensor:
    """Shares of the simplex for which the sum of the gradients is shortest (MGDA).

    Desideri 2012; Sener and Koltun 2018 (arXiv 1810.04650), equation 3. The latter's multi_task/min_norm_solvers.py
    comes near it by steps, and gives no task less than 0.001.
    """
    return as_tensor(nearest(Gradients.of(gramian).rows), gramian)


def dual_projection(gramian: Tensor) -> Tensor:
    """The mean gradient, projected to where it conflicts with none.

    Lopez-Paz and Ranzato 2017 (arXiv 1706.08840), equation 11, of the mean instead of the newest task's gradient
    (Quinton and Rey 2024). Their model/gem.py adds 1e-3 to the Gramian.
    """
    return as_tensor(projections(Gradients.of(gramian), np.full(len(gramian), 1 / len(gramian))), gramian)


def unconflicting(gramian: Tensor) -> Tensor:
    """The mean of the gradients, each projected to where it conflicts with none (UPGrad).

    Quinton and Rey 2024 (arXiv 2406.16232), proposition 1. Their TorchJD adds 1e-4 to the Gramian, and gives the plain
    mean where gradients are shorter than 0.01.
    """
    count = len(gramian)
    return as_tensor(projections(Gradients.of(gramian), np.eye(count) / count).sum(0), gramian)


def impartial(gramian: Tensor) -> Tensor:
    """Weights that sum to 1, of a sum whose projections on all gradients are equal (IMTL-G).

    Liu et al. 2021, ICLR, equation 4, as the shortest solution of the system of cosines: where gradients are linearly
    dependent the paper's inverse does not exist.

    Raises:
        Unsolved: No such sum exists, as for gradients that are opposed.
    """
    gradients = Gradients.of(gramian)
    solution = gradients.solution(np.ones(len(gramian)))
    found = solution / gradients.lengths
    if solution.sum() <= _TINY or abs(found.sum()) <= _TINY * abs(found).sum():
        raise Unsolved("no sum has equal projections on all gradients")
    return as_tensor(found / found.sum(), gramian)


def conflict_free(jacobian: Tensor) -> Tensor:
    """A direction [P] at equal angles to all gradients [T, P], as long as their projections on it together (ConFIG).

    Liu et al. 2025 (arXiv 2408.11104), equations 2 and 3; conflictfree/grad_operator.py of tum-pbs/ConFIG. The
    pseudoinverse of the units is taken through their cosines in float64: of so wide a matrix torch's own, in float32,
    leaves out directions that are no rounding.
    """
    rows = jacobian.double()
    gradients = Gradients.of(rows @ rows.T)
    shares = gradients.solution(np.ones(len(rows)))
    along = gradients.cosines @ shares  # the angles' cosines, up to the direction's length
    square = float(shares @ along)
    length = float(gradients.lengths @ along) / square if square > _TINY else 0.0
    return (as_tensor(length * shares / gradients.lengths, rows) @ rows).to(jacobian)


class Krum:
    """The gradients that lie closest to the others, with equal weights.

    Blanchard et al. 2017 (arXiv 1703.02757), section 4, and aggregators/krum.py of LPD-EPFL/AggregaThor: a gradient's
    score is the sum of its squared distances to the T - f - 2 that are closest to it. Of equal scores the first task's
    gradient is taken.

    Args:
        byzantine: f, how many gradients may be corrupt.
        selected: How many are taken; more than one is the paper's Multi-Krum.
    """

    def __init__(self, byzantine: int, selected: int) -> None:
        self._byzantine, self._selected = byzantine, selected

    def __call__(self, gramian: Tensor) -> Tensor:
        """From the Gramian [T, T] to weights [T].

        Raises:
            Unsolved: There are too few gradients.
        """
        given = gramian.double().cpu().numpy()
        closest = len(given) - self._byzantine - 2
        if closest < 1 or len(given) < self._selected:
            raise Unsolved("too few gradients")
        squares = given.diagonal()
        distances = (squares[:, None] + squares - 2 * given).clip(0.0)
        np.fill_diagonal(distances, np.inf)
        scores = np.sort(distances, axis=1)[:, :closest].sum(1)
        weights = np.zeros(len(given))
        weights[np.argsort(scores, kind="stable")[: self._selected]] = 1 / self._selected
        return as_tensor(weights, gramian)


class Aligned:
    """The sum of gradients that are turned so that they neither conflict nor dominate (Aligned-MTL).

    Senushkin et al. 2023 (arXiv 2305.19000), algorithm 1: all singular values of the gradients become one of them. As
    in the authors' code/optim/aligned (SamsungLabs/MTL) it is their sum; their float32 drops more singular values.

    Args:
        scale: Which: the least (`min`), their `median`, of an even number the lower, or the root of the mean of their
            squares (`rmse`).
    """

    def __init__(self, scale: str) -> None:
        self._scale = scale

    def __call__(self, gramian: Tensor) -> Tensor:
        """From the Gramian [T, T] to weights [T]."""
        # Of the gradients, not of their Gramian: that squares what is small beyond recognition.
        vectors, values, _ = np.linalg.svd(Gradients.of(gramian).rows, full_matrices=False)
        kept = values > len(vectors) * np.finfo(float).eps * values[0]
        vectors, values = vectors[:, kept], values[kept]
        middle = values[len(values) // 2]  # they descend
        scale = {"min": values[-1], "median": middle, "rmse": np.sqrt((values**2).mean())}[self._scale]
        return as_tensor(scale * (vectors / values) @ vectors.sum(0), gramian)


class Fair:
    """Weights a with G a = a^(-1 / alpha): alpha-fair shares of the descent (Ban and Ji 2024, arXiv 2402.15638).

    With alpha 1 they are the Nash bargaining solution (Navon et al. 2022, arXiv 2202.01017, claim 3.1). They are where
    a convex function is least, a'Ga / 2 less the sum of a^(1 - p) / (1 - p) with p = 1 / alpha, or of log a where p is
    1; Newton steps find that, each cut until it descends. Nash-MTL approaches it by a series of linearised problems,
    which can miss it (methods/weight_methods.py of AvivNavon/nash-mtl); FairGrad by least squares (of
    OptMN-Lab/fairgrad). Gradients that cancel out have no solution; they get one by a ridge on
    the cosines, so that it is the same whatever the lengths.

    Args:
        alpha: 0 weighs all alike.
        iterations: Most Newton steps.
        max_norm: The weighted sum of the gradients is scaled down to it; 0 leaves it.
    """

    def __init__(self, alpha: float, iterations: int, max_norm: float = 0.0) -> None:
        self._alpha, self._iterations, self._max_norm = alpha, iterations, max_norm

    def __call__(self, gramian: Tensor) -> Tensor:
        """From the Gramian [T, T] to weights [T].

        Raises:
            Unsolved: The steps do not suffice.
        """
        count = len(gramian)
        if self._alpha == 0.0:
            return torch.full((count,), 1 / count).to(gramian)
        power, gradients = 1 / self._alpha, Gradients.of(gramian)
        cosines = gradients.cosines + _RIDGE * np.eye(count)
        # With b = D a, D the lengths: C b = D^(p - 1) b^(-p).
        prices = gradients.lengths ** (power - 1)
        size = float(np.exp(np.log(prices).mean()))
        found, solved = self._least(cosines, prices / size, power)
        found *= size ** (1 / (1 + power))
        norm = max(float(found @ cosines @ found), 0.0) ** 0.5
        weights = found / gradients.lengths
        if self._max_norm and norm > self._max_norm:
            weights *= self._max_norm / norm
        if not solved:
            raise Unsolved(f"not within {self._iterations} iterations", weights)
        return as_tensor(weights, gramian)

    def _least(self, matrix: np.ndarray, prices: np.ndarray, power: float) -> tuple[np.ndarray, bool]:
        """Where the function is least, and whether it is."""

        def function(at: np.ndarray) -> float:
            shares = np.log(at) if power == 1.0 else at ** (1 - power) / (1 - power)
            return float(at @ matrix @ at / 2 - prices @ shares)

        at = (prices / len(matrix)) ** (1 / (1 + power))
        value = function(at)
        for _ in range(self._iterations):
            slope = matrix @ at - prices * at**-power
            step = np.linalg.solve(matrix + np.diag(power * prices * at ** (-power - 1)), slope)
            if abs(step / at).max() < _NEAR:
                return at - step, True
            shrinking = step > 0
            length = min(1.0, 0.99 * float((at[shrinking] / step[shrinking]).min())) if shrinking.any() else 1.0
            decrement = float(slope @ step)
            while length > _EXACT and function(at - length * step) > value - 1e-4 * length * decrement:
                length /= 2
            at = at - length * step
            value = function(at)
        return at, False


class Nash(Fair):
    """The Nash bargaining solution of the tasks (Nash-MTL; Navon et al. 2022, arXiv 2202.01017): alpha is 1.

    Args:
        max_norm: Largest norm of the shared gradient.
        iterations: See `Fair`.
    """

    def __init__(self, max_norm: float, iterations: int) -> None:
        super().__init__(1.0, iterations, max_norm)


class ConflictAverse:
    """The best worst descent of any task within c of the mean gradient (CAGrad; Liu et al. 2021, arXiv 2110.14048).

    Equation 4: its dual problem is the least of g_w'g_0 + r |g_w| over the simplex, r = c |g_0|. As r |g_w| is the
    least of r (|g_w|^2 / t + t) / 2 over t, w is the nearest point of a hull for each t, and t = |g_w| is a root in one
    variable. The authors' nyuv2/utils.py (Cranial-XIX/CAGrad) takes sequential least squares, and scales the result,
    which is left to `normalise`. Where gradients cancel out, so that g_w is 0, no descent is left, and of those that
    hurt no task the one nearest to the mean is taken.

    Args:
        c: Radius of the ball, as a share of the mean gradient's norm.
    """

    def __init__(self, c: float) -> None:
        self._c = c

    def __call__(self, gramian: Tensor) -> Tensor:
        """From the Gramian [T, T] to weights [T].

        Raises:
            Unsolved: The dual problem was not solved.
        """
        gradients = Gradients.of(gramian)
        rows = gradients.rows / gradients.lengths.max()
        mean = rows.mean(0)
        weights = np.full(len(rows), 1 / len(rows))
        radius = self._c * float(np.linalg.norm(mean))
        if radius > _TINY:
            size, shares = _dual(rows, mean, radius)
            weights = weights + radius / size * shares if size else projections(gradients, weights)
        return as_tensor(weights, gramian)


def _dual(rows: np.ndarray, mean: np.ndarray, radius: float) -> tuple[float, np.ndarray]:
    """|g_w| and w [T] where the dual problem of CAGrad is least; 0 where that is at no g_w but 0."""

    def at(size: float) -> np.ndarray:
        return nearest(rows + size / radius * mean)

    def excess(log_size: float) -> float:
        """How much longer g_w is than t; it falls with t."""
        norm = float(np.linalg.norm(at(float(np.exp(log_size))) @ rows))
        return float(np.log(max(norm, 1e-300))) - log_size

    low, high = float(np.log(_EXACT)), 1.0  # no gradient is longer than 1, so that no log is above 0
    if excess(low) <= 0.0:
        return 0.0, at(0.0)
    from scipy.optimize import brentq

    root, result = brentq(excess, low, high, xtol=1e-12, full_output=True, disp=False)
    if not result.converged:
        raise Unsolved("the dual problem has no root")
    size = float(np.exp(root))
    return size, at(size)


def as_tensor(weights: np.ndarray, like: Tensor) -> Tensor:
    """Of the same dtype and device."""
    return torch.from_numpy(weights).to(like)
