"""What several of the reference implementations of gradient balancing methods solve, see `gradients.py`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEPENDENT = 1e-13  # squared distance of a unit vector to the span of others at which it counts as dependent on them
SIGN = 1e-14  # a product, relative to the sizes in it, below which its sign is rounding
STATIONARY = 1e-13  # squared distance of the hull of the unit gradients to the origin that counts as none


def norms_of(gramian: Array) -> Array:
    """Norms of the gradients."""
    return np.sqrt(np.maximum(np.diag(gramian), 0.0))


def cosines_of(gramian: Array, norms: Array) -> Array:
    """Gramian of the unit gradients; the rows of zero gradients are zero."""
    inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    cosines = np.clip(gramian * inverse[:, None] * inverse[None, :], -1.0, 1.0)
    np.fill_diagonal(cosines, (norms > 0).astype(float))
    return 0.5 * (cosines + cosines.T)


def on_simplex(point: Array) -> Array:
    """Euclidean projection onto the probability simplex (Michelot 1986: drop what falls below the shift, repeat)."""
    kept = np.ones(len(point), dtype=bool)
    while True:
        shift = (point[kept].sum() - 1.0) / kept.sum()
        below = kept & (point <= shift)
        if not below.any():
            return np.where(kept, point - shift, 0.0)
        kept &= ~below


def nonnegative(cosines: Array, slope: Array) -> Array | None:
    """Minimise `y' C y / 2 + slope' y` over `y >= 0`, for a positive semidefinite `C` of unit (or zero) diagonal.

    Primal active set method (of the family of Lawson and Hanson, but for any slope). The support is kept linearly
    independent. A coordinate that depends on the support moves along the null vector instead, until another
    coordinate leaves.

    Returns:
        The minimiser (one of them where `C` is singular), or None where the problem is unbounded below.
    """
    y = np.zeros(len(slope))
    support: list[int] = []
    blocked: set[int] = set()
    visited = {frozenset[int]()}
    for _ in range(200 + 100 * len(slope)):
        gradient = cosines @ y + slope
        rounding = SIGN * (np.abs(slope).max(initial=0.0) + np.abs(y).sum())
        entering = [
            j
            for j in range(len(slope))
            if gradient[j] < -rounding and j not in support and j not in blocked and cosines[j, j] > 0
        ]
        if not entering:
            return y
        new = min(entering, key=lambda j: gradient[j])
        before = y.copy(), support.copy()
        inside = cosines[np.ix_(support, support)]
        share = np.linalg.solve(inside, cosines[support, new]) if support else np.zeros(0)
        if 1.0 - cosines[new, support] @ share <= max(DEPENDENT, SIGN * (1.0 + np.abs(share).sum()) ** 2):
            leaving = [(y[i] / s, i) for i, s in zip(support, share, strict=True) if s > SIGN]
            if not leaving:
                return None
            length, gone = min(leaving)
            y[support] -= length * share
            y[new] += length
            y[gone] = 0.0
            y = np.maximum(y, 0.0)
            support.remove(gone)
        support.append(new)
        while support:
            goal = np.linalg.solve(cosines[np.ix_(support, support)], -slope[support])
            if goal.min() > 0:
                y = np.zeros(len(slope))
                y[support] = goal
                break
            ratios = [(y[i] / (y[i] - g), i) for i, g in zip(support, goal, strict=True) if g <= 0 and y[i] > g]
            length = min(ratios)[0] if ratios else 0.0
            y[support] += length * (goal - y[support])
            gone = {i for ratio, i in ratios if ratio <= length} | {
                i for i, g in zip(support, goal, strict=True) if g <= 0 and y[i] <= 0
            }
            for i in gone:
                y[i] = 0.0
                support.remove(i)
        if frozenset(support) in visited:  # only rounding leads back to a support
            y, support = before
            blocked.add(new)
        else:
            visited.add(frozenset(support))
            blocked.clear()
    raise RuntimeError("the active set method did not end")


def least_norm(gram: Array, sizes: Array) -> Array:
    """Weights of the point of least norm in the convex hull, by Wolfe's algorithm (1976) on the Gramian.

    Each affine subproblem is solved with rows of unit length. `sizes` bounds the sizes of the terms that were added up
    in the rows of the Gramian: the norms, or more after a cancellation. Rounding is judged by them.
    """
    norms = norms_of(gram)
    weights = np.zeros(len(gram))
    weights[int(np.argmin(norms))] = 1.0
    if norms.min() == 0:
        return weights
    cosines = cosines_of(gram, norms)
    support = [int(np.argmin(norms))]
    blocked: set[int] = set()
    visited = {frozenset(support)}
    for _ in range(200 + 100 * len(gram)):
        products = gram @ weights
        square = weights @ products
        reach = sizes @ weights
        if square <= 2 * np.finfo(float).eps * reach**2:
            return weights
        excess = (products - square) / (reach * (sizes + reach))
        entering = [j for j in range(len(gram)) if excess[j] < -SIGN and j not in support and j not in blocked]
        if not entering:
            return weights
        new = min(entering, key=lambda j: excess[j])
        before = weights.copy(), support.copy()
        support.append(new)
        while True:
            inverse = norms[support].min() / norms[support]
            system = cosines[np.ix_(support, support)] + np.outer(inverse, inverse)
            try:
                scaled = np.linalg.solve(system, inverse)
            except np.linalg.LinAlgError:
                scaled = np.linalg.lstsq(system, inverse, rcond=None)[0]
            goal = scaled * inverse
            goal = goal / goal.sum()
            if goal.min() > 0:
                weights = np.zeros(len(gram))
                weights[support] = goal
                break
            ratios = [
                (weights[i] / (weights[i] - g), i)
                for i, g in zip(support, goal, strict=True)
                if g <= 0 and weights[i] > g
            ]
            length = min(ratios)[0] if ratios else 0.0
            weights[support] += length * (goal - weights[support])
            gone = {i for ratio, i in ratios if ratio <= length} | {
                i for i, g in zip(support, goal, strict=True) if g <= 0 and weights[i] <= 0
            }
            for i in gone:
                weights[i] = 0.0
                support.remove(i)
            weights /= weights.sum()
        if frozenset(support) in visited:  # only rounding leads back to a support
            weights, support = before
            blocked.add(new)
        else:
            visited.add(frozenset(support))
            blocked.clear()
    raise RuntimeError("Wolfe's algorithm did not end")


def onto_cone(gramian: Array, points: Array) -> Array:
    """Weights of the projections of `J' u`, for every row `u` of `points`, onto the dual cone `{d: J d >= 0}`.

    The projection is `J' (u + l)` with `l >= 0` and `l` perpendicular to `J J' (u + l) >= 0` (Moreau). The cone does
    not depend on the lengths of the rows of `J`, so the unit gradients are used.
    """
    norms = norms_of(gramian)
    cosines = cosines_of(gramian, norms)
    weights = np.array(points, dtype=float)
    for row in weights:
        scaled = norms * row
        size = np.abs(scaled).max(initial=0.0)
        if size == 0:
            continue
        multipliers = nonnegative(cosines, cosines @ (scaled / size))
        if multipliers is None:
            raise RuntimeError("a projection onto a cone cannot be unbounded")
        row += np.divide(size * multipliers, norms, out=np.zeros_like(norms), where=norms > 0)
    return weights


def jacobi(matrix: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors (columns) of a positive semidefinite matrix, by cyclic Jacobi rotations.

    Slow, but small eigenvalues of a matrix `D C D` with a well conditioned `C` come out with full relative accuracy
    (Demmel and Veselic 1992), which the usual tridiagonal methods do not give.
    """
    work = np.array(matrix, dtype=float)
    vectors = np.eye(len(work))
    for _ in range(60):
        turned = False
        for p in range(len(work) - 1):
            for q in range(p + 1, len(work)):
                floor = 1e-17 * np.sqrt(abs(work[p, p] * work[q, q])) + 1e-300
                if abs(work[p, q]) <= max(floor, 1e-20 * max(abs(work[p, p]), abs(work[q, q]))):
                    continue
                turned = True
                ratio = (work[q, q] - work[p, p]) / (2.0 * work[p, q])
                tangent = (1.0 if ratio >= 0 else -1.0) / (abs(ratio) + np.hypot(1.0, ratio))
                cosine = 1.0 / np.hypot(1.0, tangent)
                rotation = np.array([[cosine, cosine * tangent], [-cosine * tangent, cosine]])
                shift = tangent * work[p, q]
                diagonal = work[p, p] - shift, work[q, q] + shift
                work[:, [p, q]] = work[:, [p, q]] @ rotation
                work[[p, q], :] = rotation.T @ work[[p, q], :]
                work[p, p], work[q, q] = diagonal
                work[p, q] = work[q, p] = 0.0
                vectors[:, [p, q]] = vectors[:, [p, q]] @ rotation
        if not turned:
            break
    return np.diag(work).copy(), vectors
