"""Methods that solve a problem in every step to get weights from the Gramian of one slot's gradients.

All map a Gramian [T, T] to weights [T] of its dtype. No gradient may be 0; they may have any lengths and be linearly
dependent. Each is tested against a separate implementation of its paper.
"""

import numpy as np
import torch
from torch import Tensor

from pipeline.balance.geometry import Gradients, NotSolved, dual_cone_projections, min_norm_shares

_RIDGE = 1e-8  # relative to a squared norm: gradients that cancel out have no solution
_EXACT = 1e-9
_NEAR = 1e-6  # relative step from which the next is as exact as float64 allows
_TINY = 1e-8


def mgda(gramian: Tensor) -> Tensor:
    """MGDA: the convex combination of the gradients with the least norm.

    Desideri 2012; Sener and Koltun 2018 (arXiv 1810.04650), equation 3. The latter's multi_task/min_norm_solvers.py
    approximates it iteratively, and gives no task less than 0.001.

    >>> mgda(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
    tensor([0.8000, 0.2000])
    """
    return as_tensor(min_norm_shares(Gradients.of(gramian).rows), gramian)


def dualproj(gramian: Tensor) -> Tensor:
    """DualProj: the mean gradient, projected onto the dual cone of the gradients.

    Lopez-Paz and Ranzato 2017 (arXiv 1706.08840), equation 11, of the mean instead of the newest task's gradient
    (Quinton and Rey 2024). Their model/gem.py adds 1e-3 to the Gramian.
    """
    return as_tensor(dual_cone_projections(Gradients.of(gramian), np.full(len(gramian), 1 / len(gramian))), gramian)


def upgrad(gramian: Tensor) -> Tensor:
    """UPGrad: the mean of the gradients, each projected onto the dual cone of all.

    Quinton and Rey 2024 (arXiv 2406.16232), proposition 1. Their TorchJD adds 1e-4 to the Gramian, and gives the plain
    mean where gradients are shorter than 0.01.
    """
    count = len(gramian)
    return as_tensor(dual_cone_projections(Gradients.of(gramian), np.eye(count) / count).sum(0), gramian)


def imtl_g(gramian: Tensor) -> Tensor:
    """IMTL-G: weights that sum to 1 such that the weighted sum has equal projections on all gradients.

    Liu et al. 2021, ICLR, equation 4, as the least-norm solution of the system of cosines: for linearly dependent
    gradients the paper's inverse does not exist.

    Raises:
        NotSolved: No such weights exist, for example for opposed gradients.
    """
    gradients = Gradients.of(gramian)
    solution = gradients.solution(np.ones(len(gramian)))
    weights = solution / gradients.lengths
    if solution.sum() <= _TINY or abs(weights.sum()) <= _TINY * abs(weights).sum():
        raise NotSolved("no sum has equal projections on all gradients")
    return as_tensor(weights / weights.sum(), gramian)


def conflict_free(jacobian: Tensor) -> Tensor:
    """ConFIG: a direction [P] at equal angles to all gradients [T, P]; its norm is the sum of their projections on it.

    Liu et al. 2025 (arXiv 2408.11104), equations 2 and 3; conflictfree/grad_operator.py of tum-pbs/ConFIG. The
    pseudoinverse of the unit gradients is computed from their cosines in float64: for so wide a matrix torch's, in
    float32, drops directions that are not rounding errors.
    """
    rows = jacobian.double()
    gradients = Gradients.of(rows @ rows.T)
    shares = gradients.solution(np.ones(len(rows)))
    along = gradients.cosines @ shares  # the angles' cosines, up to the direction's length
    square = float(shares @ along)
    length = float(gradients.lengths @ along) / square if square > _TINY else 0.0
    return (as_tensor(length * shares / gradients.lengths, rows) @ rows).to(jacobian)


class Krum:
    """Krum: the gradients that lie closest to the others, with equal weights.

    Blanchard et al. 2017 (arXiv 1703.02757), section 4, and aggregators/krum.py of LPD-EPFL/AggregaThor: a gradient's
    score is the sum of its squared distances to the T - f - 2 closest ones. Ties go to the first task.

    Args:
        byzantine: f, how many gradients may be corrupt.
        selected: How many gradients are selected; more than one is the paper's Multi-Krum.
    """

    def __init__(self, byzantine: int, selected: int) -> None:
        self._byzantine, self._selected = byzantine, selected

    def __call__(self, gramian: Tensor) -> Tensor:
        """The weights [T] from the Gramian [T, T].

        Raises:
            NotSolved: There are too few gradients in this step.
        """
        products = gramian.double().cpu().numpy()
        closest = len(products) - self._byzantine - 2
        if closest < 1 or len(products) < self._selected:
            raise NotSolved("too few gradients")
        squares = products.diagonal()
        distances = (squares[:, None] + squares - 2 * products).clip(0.0)
        np.fill_diagonal(distances, np.inf)
        scores = np.sort(distances, axis=1)[:, :closest].sum(1)
        weights = np.zeros(len(products))
        weights[np.argsort(scores, kind="stable")[: self._selected]] = 1 / self._selected
        return as_tensor(weights, gramian)


class AlignedMTL:
    """Aligned-MTL: the sum of gradients that are rotated and scaled so that they neither conflict nor dominate.

    Senushkin et al. 2023 (arXiv 2305.19000), algorithm 1: all singular values of the matrix of gradients are replaced
    by one value. The update is the sum, as in the authors' code/optim/aligned (SamsungLabs/MTL), which in float32
    drops more singular values.

    Args:
        scale: The common singular value: the smallest (`min`), the lower `median`, or the root mean square (`rmse`).
    """

    def __init__(self, scale: str) -> None:
        self._scale = scale

    def __call__(self, gramian: Tensor) -> Tensor:
        """The weights [T] from the Gramian [T, T]."""
        # The gradients' singular values, not the Gramian's: squared, small ones vanish in rounding.
        vectors, values, _ = np.linalg.svd(Gradients.of(gramian).rows, full_matrices=False)
        kept = values > len(vectors) * np.finfo(float).eps * values[0]
        vectors, values = vectors[:, kept], values[kept]
        middle = values[len(values) // 2]  # in descending order
        scale = {"min": values[-1], "median": middle, "rmse": np.sqrt((values**2).mean())}[self._scale]
        return as_tensor(scale * (vectors / values) @ vectors.sum(0), gramian)


class FairGrad:
    """FairGrad: alpha-fair weights a with G a = a^(-1 / alpha) (Ban and Ji 2024, arXiv 2402.15638).

    With alpha 1 they are the Nash bargaining solution (Navon et al. 2022, arXiv 2202.01017, claim 3.1). They minimise
    a convex function, a'Ga / 2 less the sum of a^(1 - p) / (1 - p) with p = 1 / alpha, or of log a if p is 1. It is
    minimised by Newton steps with backtracking. Nash-MTL solves a series of linearised problems, which can miss the
    minimum (methods/weight_methods.py of AvivNavon/nash-mtl); FairGrad uses least squares (of OptMN-Lab/fairgrad).
    Gradients that cancel out have no solution; a ridge on the cosines gives them one that is the same at any lengths.

    Args:
        alpha: Fairness; 0 gives equal weights.
        iterations: Maximum number of Newton steps.
        max_norm: Norm to which a longer weighted sum of the gradients is scaled down; 0 for no limit.
    """

    def __init__(self, alpha: float, iterations: int, max_norm: float = 0.0) -> None:
        self._alpha, self._iterations, self._max_norm = alpha, iterations, max_norm

    def __call__(self, gramian: Tensor) -> Tensor:
        """The weights [T] from the Gramian [T, T].

        Raises:
            NotSolved: It did not converge within `iterations`.
        """
        count = len(gramian)
        if self._alpha == 0.0:
            return torch.full((count,), 1 / count).to(gramian)
        power, gradients = 1 / self._alpha, Gradients.of(gramian)
        cosines = gradients.cosines + _RIDGE * np.eye(count)
        # With b = D a, D the lengths: C b = D^(p - 1) b^(-p).
        prices = gradients.lengths ** (power - 1)
        size = float(np.exp(np.log(prices).mean()))
        scaled, solved = self._minimum(cosines, prices / size, power)
        scaled *= size ** (1 / (1 + power))
        norm = max(float(scaled @ cosines @ scaled), 0.0) ** 0.5
        weights = scaled / gradients.lengths
        if self._max_norm and norm > self._max_norm:
            weights *= self._max_norm / norm
        if not solved:
            raise NotSolved(f"not within {self._iterations} iterations", weights)
        return as_tensor(weights, gramian)

    def _minimum(self, matrix: np.ndarray, prices: np.ndarray, power: float) -> tuple[np.ndarray, bool]:
        """The minimum of the function, and whether the iteration converged."""

        def function(at: np.ndarray) -> float:
            shares = np.log(at) if power == 1.0 else at ** (1 - power) / (1 - power)
            return float(at @ matrix @ at / 2 - prices @ shares)

        at = (prices / len(matrix)) ** (1 / (1 + power))
        value = function(at)
        for _ in range(self._iterations):
            gradient = matrix @ at - prices * at**-power
            step = np.linalg.solve(matrix + np.diag(power * prices * at ** (-power - 1)), gradient)
            if abs(step / at).max() < _NEAR:
                return at - step, True
            shrinking = step > 0
            length = min(1.0, 0.99 * float((at[shrinking] / step[shrinking]).min())) if shrinking.any() else 1.0
            decrement = float(gradient @ step)
            while length > _EXACT and function(at - length * step) > value - 1e-4 * length * decrement:
                length /= 2
            at = at - length * step
            value = function(at)
        return at, False


class NashMTL(FairGrad):
    """Nash-MTL: the Nash bargaining solution of the tasks (Navon et al. 2022, arXiv 2202.01017), FairGrad at alpha 1.

    Args:
        max_norm: Largest norm of the shared gradient.
        iterations: Maximum number of Newton steps.
    """

    def __init__(self, max_norm: float, iterations: int) -> None:
        super().__init__(1.0, iterations, max_norm)


class CAGrad:
    """CAGrad: maximises the worst task's descent within a ball around the mean gradient.

    Liu et al. 2021 (arXiv 2110.14048), equation 4: its dual minimises g_w'g_0 + r |g_w| over the simplex, r = c |g_0|.
    As r |g_w| is the minimum of r (|g_w|^2 / t + t) / 2 over t, w is a min-norm point for each t, and t = |g_w| is a
    root in one variable. The authors' nyuv2/utils.py (Cranial-XIX/CAGrad) uses sequential least squares, and scales
    the result, which is left to `normalise`. If gradients cancel out, so that g_w is 0, there is no descent direction;
    then the direction nearest to the mean gradient that hurts no task is taken.

    Args:
        c: Radius of the ball, as a multiple of the mean gradient's norm.
    """

    def __init__(self, c: float) -> None:
        self._c = c

    def __call__(self, gramian: Tensor) -> Tensor:
        """The weights [T] from the Gramian [T, T].

        Raises:
            NotSolved: The dual problem was not solved.
        """
        gradients = Gradients.of(gramian)
        rows = gradients.rows / gradients.lengths.max()
        mean = rows.mean(0)
        weights = np.full(len(rows), 1 / len(rows))
        radius = self._c * float(np.linalg.norm(mean))
        if radius > _TINY:
            size, shares = _dual(rows, mean, radius)
            weights = weights + radius / size * shares if size else dual_cone_projections(gradients, weights)
        return as_tensor(weights, gramian)


def _dual(rows: np.ndarray, mean: np.ndarray, radius: float) -> tuple[float, np.ndarray]:
    """|g_w| and w [T] at the minimum of the dual problem of CAGrad; |g_w| is 0 if gradients cancel out there."""

    def at(size: float) -> np.ndarray:
        return min_norm_shares(rows + size / radius * mean)

    def excess(log_size: float) -> float:
        """The difference log |g_w| - log t, which decreases in t."""
        norm = float(np.linalg.norm(at(float(np.exp(log_size))) @ rows))
        return float(np.log(max(norm, 1e-300))) - log_size

    low, high = float(np.log(_EXACT)), 1.0  # gradients are scaled to at most 1, so no log is above 0
    if excess(low) <= 0.0:
        return 0.0, at(0.0)
    from scipy.optimize import brentq

    root, result = brentq(excess, low, high, xtol=1e-12, full_output=True, disp=False)
    if not result.converged:
        raise NotSolved("the dual problem has no root")
    size = float(np.exp(root))
    return size, at(size)


def as_tensor(weights: np.ndarray, like: Tensor) -> Tensor:
    """The weights as a tensor of the same dtype and device as another."""
    return torch.from_numpy(weights).to(like)
