"""Solvers of our own, for what TorchJD hands to a general one that takes many times as long in every step."""

import numpy as np
import torch
from torch import Tensor

_RIDGE = 1e-8  # of the mean squared norm: gradients that cancel out have no solution
_EXACT = 1e-9


class Fair:
    """Weights a with G a = a^(-1 / alpha): alpha-fair shares of the descent (Ban and Ji 2024, arXiv 2402.15638).

    With alpha 1 they are the Nash bargaining solution (Navon et al. 2022, arXiv 2202.01017, claim 3.1). They are where
    a convex function is least, a'Ga / 2 less the sum of a^(1 - p) / (1 - p) with p = 1 / alpha, or of log a where p is
    1; Newton steps find that, each cut until it descends. Nash-MTL approaches it by a series of linearised problems,
    which can miss it; FairGrad by least squares.

    Args:
        alpha: 0 weighs all alike.
        iterations: Most Newton steps.
        max_norm: The weighted sum of the gradients is scaled down to it; 0 leaves it.
    """

    def __init__(self, alpha: float, iterations: int, max_norm: float = 0.0) -> None:
        self._alpha, self._iterations, self._max_norm = alpha, iterations, max_norm

    def __call__(self, gramian: Tensor) -> Tensor:
        """From the Gramian [T, T] to weights [T]."""
        given = gramian.double().cpu().numpy()
        if self._alpha == 0.0:
            return torch.full((len(given),), 1 / len(given)).to(gramian)
        power = 1 / self._alpha
        size = given.trace() / len(given)
        found = self._least(given / size + _RIDGE * np.eye(len(given)), power) * size ** (-1 / (1 + power))
        norm = max(float(found @ given @ found), 0.0) ** 0.5
        if self._max_norm and norm > self._max_norm:
            found *= self._max_norm / norm
        return torch.from_numpy(found).to(gramian)

    def _least(self, matrix: np.ndarray, power: float) -> np.ndarray:
        """Where the function is least."""

        def function(at: np.ndarray) -> float:
            shares = np.log(at) if power == 1.0 else at ** (1 - power) / (1 - power)
            return float(at @ matrix @ at / 2 - shares.sum())

        at = np.full(len(matrix), len(matrix) ** -0.5)
        value = function(at)
        for _ in range(self._iterations):
            slope = matrix @ at - at**-power
            step = np.linalg.solve(matrix + np.diag(power * at ** (-power - 1)), slope)
            decrement = float(slope @ step)
            if decrement < _EXACT**2:
                break
            shrinking = step > 0
            length = min(1.0, 0.99 * float((at[shrinking] / step[shrinking]).min())) if shrinking.any() else 1.0
            while length > _EXACT and function(at - length * step) > value - 1e-4 * length * decrement:
                length /= 2
            at = at - length * step
            value = function(at)
        return at


class LeastNorm:
    """Shares a of the simplex for which a'Ga is least (MGDA; Sener and Koltun 2018, arXiv 1810.04650, equation 3).

    A quadratic program, solved exactly (Goldfarb and Idnani 1983); Frank-Wolfe steps come near it one after the other.
    """

    def __call__(self, gramian: Tensor) -> Tensor:
        """From the Gramian [T, T] to weights [T]."""
        from quadprog import solve_qp

        given = gramian.double().cpu().numpy()
        count = len(given)
        scaled = given * (count / given.trace()) + _RIDGE * np.eye(count)
        constraints = np.column_stack([np.ones(count), np.eye(count)])  # they sum to 1, and none is negative
        shares = solve_qp(scaled, np.zeros(count), constraints, np.eye(1, count + 1)[0], meq=1)[0]
        return torch.from_numpy(shares.clip(0.0)).to(gramian)


class ConflictAverse:
    """The best worst descent of any task within c of the mean gradient (CAGrad; Liu et al. 2021, arXiv 2110.14048).

    As its authors do, the dual problem is solved on the simplex by sequential least squares.

    Args:
        c: Radius of the ball, as a share of the mean gradient's norm.
    """

    def __init__(self, c: float) -> None:
        self._c = c

    def __call__(self, gramian: Tensor) -> Tensor:
        """From the Gramian [T, T] to weights [T]."""
        from scipy.optimize import minimize

        given = gramian.double().cpu().numpy()
        given = given / given.trace()
        count = len(given)
        mean = np.full(count, 1 / count)
        radius = self._c * max(float(mean @ given @ mean), 0.0) ** 0.5

        def function(w: np.ndarray) -> tuple[float, np.ndarray]:
            along = given @ w
            norm = max(float(w @ along), 1e-16) ** 0.5
            return float(mean @ along) + radius * norm, given @ mean + radius * along / norm

        sums = {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(count)}
        answer = minimize(
            function, mean, jac=True, method="SLSQP", bounds=[(0, 1)] * count, constraints=sums,
            options={"ftol": 1e-12, "maxiter": 100},
        )  # fmt: skip
        norm = max(float(answer.x @ given @ answer.x), 0.0) ** 0.5
        worst = radius / norm * answer.x if norm > 1e-8 else 0.0
        return torch.from_numpy(mean + worst).to(gramian)
