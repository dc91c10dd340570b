"""Reference implementations of published gradient balancing methods, written from the papers.

They are oracles for tests: numpy only, float64, slow, and with solvers of their own (nothing of `quadprog` or
`scipy`), so that an error here and an error in the code under test are unlikely to agree.

Every function starts from the Gramian `G = J J'` of the task gradients (rows of `J`) and answers with weights `w`,
one per task: the update of the shared parameters is `J' w = sum_i w_i g_i`. MoDo and SDMGrad take the cross Gramian
`J1 J2'` of two batches. A Gramian is rescaled to unit diagonal before a solve whenever the problem allows it, so that
norms that differ by 1e5 cost no accuracy. Products of a Gramian cannot tell a vector of norm 1e-8 from the zero
vector (relative to the gradients): the places where that matters are named in the docstrings.

The authors' code was read where a repository is named. The texts of the papers were not at hand: algorithms are from
memory and from code, equation numbers are from memory and may be off by one between versions.

How it was checked (T of 2, 3, 10, 40; well conditioned, more tasks than parameters, rank one, duplicated, opposed,
zero row, norms that differ by 1e5): residuals of the optimality conditions on `J` itself, not on the Gramian; for
`mgda` the smallest product of the point with a gradient, for `dualproj` and `upgrad` feasibility and complementarity
of the projections, for `cagrad` the gap between the primal value and `cagrad_dual`, for `nash_mtl` and `fairgrad` the
relative residual of the equation, for `pcd` the KKT conditions of its program, for `aligned_mtl` an SVD of `J`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tests.balance.papers.numerics import (
    STATIONARY,
    Array,
    cosines_of,
    jacobi,
    least_norm,
    nonnegative,
    norms_of,
    on_simplex,
    onto_cone,
)


def mgda(gramian: ArrayLike) -> Array:
    """Point of least norm in the convex hull of the gradients.

    Paper: Desideri 2012; Sener and Koltun 2018 (arXiv 1810.04650), equation 3, Algorithm 2 (Frank-Wolfe).
    Authors' code: isl-org/MultiObjectiveOptimization, `multi_task/min_norm_solvers.py`,
    `MinNormSolver.find_min_norm_element` (projected gradient; a Frank-Wolfe variant stands beside it and is not
    called). It stops at a change of 1e-5 in the weights. For two gradients whose shortest point is a vertex, it
    answers 0.999 and 0.001, not 1 and 0, and so does every line search of the larger problems. Its iteration counter
    is never increased. Gradients may be normalised first ('none', 'l2', 'loss', 'loss+'; not in the paper). The
    code of Nash-MTL multiplies the weights by the number of tasks. Here: the exact minimiser of the paper.

    Method: Wolfe's algorithm (1976), on the Gramian.

    Zero gradients: the origin is in the hull; all weight goes to the first zero gradient and the direction is zero.
    Where the minimiser is not unique (duplicates), one of them is returned: the direction is unique.
    """
    gram = np.asarray(gramian, dtype=float)
    return least_norm(gram, norms_of(gram))


def pcgrad(gramian: ArrayLike, orders: Sequence[Sequence[int]]) -> Array:
    """Gradient surgery: every gradient loses its components against the others, one after the other.

    Paper: Yu et al. 2020 (arXiv 2001.06782), Algorithm 1: task i starts from its own gradient, meets the others in
    random order, and where its current (already changed) version has a negative product with the original gradient of
    task j, the component along that gradient is removed. The update is the sum over tasks, not the mean.
    Authors' code: tianheyu927/PCGrad, `PCGrad_tf.py`, `PCGrad.compute_gradients`, also a sum. It differs from the
    paper in three ways: the shuffled losses are thrown away, so the order is 0..T-1 for all; a task also meets itself
    (of effect only once its changed gradient opposes its own original one); a zero gradient divides zero by zero and
    turns all into NaN. LibMTL (`weighting/PCGrad.py`) shuffles for every task, meets itself too, and adds 1e-8 to the
    squared norm. Here: the paper; `orders[i]` is the order of task i, and i in it is skipped.

    Zero gradients: no product is negative, so nothing happens; the weight of such a task is its own 1.
    """
    gram = np.asarray(gramian, dtype=float)
    total = np.zeros(len(gram))
    for task, order in enumerate(orders):
        mixture = np.zeros(len(gram))
        mixture[task] = 1.0
        for other in order:
            product = mixture @ gram[:, other]
            if other != task and product < 0:
                mixture[other] -= product / gram[other, other]
        total += mixture
    return total


def gradvac(gramian: ArrayLike, orders: Sequence[Sequence[int]], phi: ArrayLike, beta: float) -> tuple[Array, Array]:
    """Gradient vaccine: every gradient is turned until its cosine with each other one meets a running target.

    Paper: Wang et al. 2021 (arXiv 2010.05874): section 3 has the rule that adds to `g_i` a multiple of `g_j` so that
    their cosine becomes the target, then the moving average of the targets (the two displayed equations after that of
    PCGrad), and the appendix the whole as Algorithm 1. For each ordered pair (i, j), j in random order:

    1. the cosine of the current (already changed) `g_i` and the original `g_j`, before this pair's change;
    2. where it is below the target `phi[i, j]` from before the step, `g_i` gains
       `|g_i| (p sqrt(1 - c^2) - c sqrt(1 - p^2)) / (|g_j| sqrt(1 - p^2))` times `g_j`, with target p and cosine c;
    3. `phi[i, j] <- (1 - beta) phi[i, j] + beta c`, whether or not the gradient was changed.

    Every ordered pair occurs once a step, so the order of 2 and 3 across pairs does not matter. The targets are of
    ordered pairs: `phi[i, j]` and `phi[j, i]` drift apart. The update is the sum over tasks. The targets start at 0
    (then the first step is that of PCGrad), and the diagonal is never touched. That the moving average takes the
    cosine of the changed gradient, as in 1, is Algorithm 1 from memory and LibMTL; the text defines it by `g_i`.

    Authors' code: none is public. LibMTL (`weighting/GradVac.py`) does 1 to 3 as above, with 1e-8 in both
    denominators and beta 0.5 by default (the paper uses 0.01). SamsungLabs/MTL (`code/optim/gradvac/balancer.py`)
    updates the targets only for the pairs that it changes: a deviation from the paper, not followed. The paper
    applies the rule per layer or matrix; here, to the whole gradient.

    Zero gradients: a cosine with a zero vector counts as 0 (as LibMTL's 1e-8 makes it) and changes no gradient.
    """
    gram = np.asarray(gramian, dtype=float)
    targets = np.array(phi, dtype=float)
    norms = norms_of(gram)
    total = np.zeros(len(gram))
    for task, order in enumerate(orders):
        mixture = np.zeros(len(gram))
        mixture[task] = 1.0
        for other in order:
            if other == task:
                continue
            length = np.sqrt(max(mixture @ gram @ mixture, 0.0))
            scale = length * norms[other]
            cosine = float(np.clip(mixture @ gram[:, other] / scale, -1.0, 1.0)) if scale > 0 else 0.0
            target = targets[task, other]
            if scale > 0 and cosine < target:
                across, aim = np.sqrt(1.0 - cosine**2), np.sqrt(1.0 - target**2)
                mixture[other] += length * (target * across - cosine * aim) / (norms[other] * aim)
            targets[task, other] = (1.0 - beta) * target + beta * cosine
        total += mixture
    return total, targets


def cagrad_dual(gramian: ArrayLike, c: float, w: ArrayLike) -> float:
    """Dual objective of CAGrad: `g_w' g_0 + sqrt(phi) |g_w|` with `sqrt(phi) = c |g_0|` and the mean gradient `g_0`.

    Paper: Liu et al. 2021 (arXiv 2110.14048), equation 4 and Algorithm 1. Its minimum over the simplex equals the
    maximum of `min_i g_i' d` over `|d - g_0| <= c |g_0|`.
    """
    gram = np.asarray(gramian, dtype=float)
    weights = np.asarray(w, dtype=float)
    mean = np.full(len(gram), 1.0 / len(gram))
    radius = c * np.sqrt(max(mean @ gram @ mean, 0.0))
    return float(weights @ gram @ mean + radius * np.sqrt(max(weights @ gram @ weights, 0.0)))


def cagrad(gramian: ArrayLike, c: float) -> Array:
    """Conflict-averse gradient: the best worst-case improvement near the mean gradient.

    Paper: Liu et al. 2021 (arXiv 2110.14048), Algorithm 1: `d = g_0 + sqrt(phi) / |g_w| g_w`, where w minimises
    `cagrad_dual` over the simplex and `phi = c^2 |g_0|^2`. The weights are `1/T + (c |g_0| / |g_w|) w`.
    Authors' code: Cranial-XIX/CAGrad, `nyuv2/utils.py` and `cityscapes/utils.py`, `cagrad` (SLSQP of scipy, 1e-8 in
    every root and denominator; alpha, which is c, 0.5 by default, 0.4 in the NYUv2 script). It then divides by
    `1 + c^2` (`rescale=1`, as it is called), by `1 + c` (`rescale=2`) or by nothing (`rescale=0`), and multiplies the
    result by the number of tasks ("to match the sum loss"). `toy.py` divides by `1 + c`. In `mtrl/mtrl_files/cagrad.py`
    the Gramian is divided by the squared mean norm, and 20 steps of SGD on a softmax are taken (direction divided by
    `1 + c^2`); its exact variant divides by `1 + lambda`, with lambda the factor `sqrt(phi) / |g_w|`. Here: the paper,
    without any rescaling.

    Method: `|g_w| = min_s |g_w|^2 / 2s + s / 2` turns the dual into a family of problems of least norm, on the hull of
    the gradients shifted by `s / sqrt(phi) g_0`, solved as in `mgda`. The right s is where `|g_w| = s`. The quotient of
    the two falls in s, so it is found by halving an interval.

    Where the origin is in the convex hull of the gradients and the minimum is 0 (reached at `g_w = 0`), the formula is
    0/0. The primal problem still has solutions, all directions of the ball that harm no task, and the closest of them
    to the mean is returned: its projection onto the dual cone (`dualproj`), whose weights are of the same form. The
    paper is silent there, and the authors' 1e-8 lets rounding decide. With `c = 0` or a zero mean gradient the weights
    are 1/T.

    Zero gradients: nothing special in the paper or the code. The origin is in the hull then, so the minimum is at most
    0, and where it is 0 the rule above applies.
    """
    gram = np.asarray(gramian, dtype=float)
    tasks = len(gram)
    largest = norms_of(gram).max()
    mean = np.full(tasks, 1.0 / tasks)
    if largest == 0:
        return mean
    gram = gram / largest**2
    toward = gram @ mean
    square = max(mean @ toward, 0.0)
    radius = c * np.sqrt(square)
    if radius <= 1e-8 * c or c == 0:
        return mean

    def nearest(s: float) -> tuple[Array, float]:
        t = s / radius
        shifted = gram + t * (toward[:, None] + toward[None, :]) + t**2 * square
        weights = least_norm(shifted, norms_of(gram) + t * np.sqrt(square))
        return weights, float(np.sqrt(max(weights @ gram @ weights, 0.0)))

    low, high = np.log(1e-9), np.log(2.0)
    weights, length = nearest(1e-9)
    for _ in range(70):
        middle = 0.5 * (low + high)
        weights, length = nearest(np.exp(middle))
        if np.log(max(length, 1e-300)) > middle:
            low = middle
        else:
            high = middle
    value = weights @ toward + radius * length
    closest = mgda(gram)
    if closest @ gram @ closest <= 1e-14 and value >= -1e-7 * radius:
        return dualproj(gram)
    return mean + radius / length * weights


def imtl_g(gramian: ArrayLike) -> Array:
    """Impartial update: the projections of the update on all the unit gradients are equal, and the weights sum to 1.

    Paper: Liu et al. 2021 (IMTL, ICLR 2021), section 3.1 and the closed form `alpha_{2:T} = g_1 U' (D U')^{-1}` with
    `D = g_1 - g_i`, `U = u_1 - u_i` (equation 4), `alpha_1 = 1 - sum(alpha_{2:T})`. Weights may be negative.
    Authors' code: not found (none is public). Others: LibMTL `weighting/IMTL.py` (closed form, plus the loss balance
    IMTL-L), AvivNavon/nash-mtl `methods/weight_methods.py` `IMTLG` and SamsungLabs/MTL `code/optim/imtl/balancer.py`
    (closed form; 1e-8 on the diagonal only where the inverse raises an error).

    The same solution in symmetric form is used: `C (n alpha) = k 1` with the cosines C and the norms n, `sum alpha =
    1`. It is the closed form for independent gradients.

    Dependent gradients: the closed form divides by a singular matrix. Then the weights of least Euclidean norm among
    those with equal projections and sum 1 are returned; with parallel gradients of different length even the length of
    the direction is not determined by the paper. Zero gradients: the paper divides by a zero norm (the codes give
    NaN); here such a task has weight 0 and the others are balanced without it (1/T for all if all are zero).
    """
    gram = np.asarray(gramian, dtype=float)
    norms = norms_of(gram)
    used = np.flatnonzero(norms > 0)
    weights = np.zeros(len(gram))
    if not len(used):
        return np.full(len(gram), 1.0 / len(gram))
    lengths = norms[used] / norms.max()
    cosines = cosines_of(gram, norms)[np.ix_(used, used)]
    if np.linalg.eigvalsh(cosines)[0] > 1e-12:
        part = np.linalg.solve(cosines, np.ones(len(used))) / lengths
    else:
        projections = cosines * lengths[None, :]
        rows = np.vstack([projections[:1] - projections[1:], np.ones((1, len(used)))])
        answer = np.zeros(len(used))
        answer[-1] = 1.0
        part = np.linalg.lstsq(rows, answer, rcond=1e-12)[0]
    weights[used] = part / part.sum()
    return weights


def _fair(gramian: Array, power: float) -> Array:
    """Solve `G a = a^(-power)` for `a > 0`, the stationary point of a strictly convex function.

    The function is `a' G a / 2 - sum_i h(a_i)` with `h' = a^(-power)`. Newton's method with a line search that halves
    an interval on the sign of the slope, then plain Newton steps as long as the relative residual falls.
    """
    norms = norms_of(gramian)
    if np.any(norms == 0):
        raise ValueError("a zero gradient: the equation has no solution")
    cosines = cosines_of(gramian, norms)
    nearest = mgda(cosines)
    if nearest @ cosines @ nearest <= STATIONARY:
        raise ValueError("the origin is in the convex hull of the gradients: the equation has no solution")
    size = np.exp(np.mean(np.log(norms)))
    lengths = norms / size
    matrix = cosines * np.outer(lengths, lengths)

    def residual(a: Array) -> Array:
        return a**power * (matrix @ a) - 1.0

    def step(a: Array) -> tuple[Array, Array]:
        slope = matrix @ a - a**-power
        curvature = matrix + np.diag(power * a ** (-power - 1.0))
        root = 1.0 / np.sqrt(np.diag(curvature))
        return -root * np.linalg.solve(curvature * np.outer(root, root), root * slope), slope

    a = lengths ** (-2.0 / (1.0 + power))
    a = a * (np.sum(a ** (1.0 - power)) / (a @ matrix @ a)) ** (1.0 / (1.0 + power))
    for _ in range(1000):
        if np.abs(residual(a)).max() < 1e-6:
            break
        move, slope = step(a)
        falling = -float(slope @ move)
        most = np.max(-move / a, initial=0.0)
        high = min(1.0, 0.99 / most) if most > 0 else 1.0
        low, length = 0.0, high
        for _ in range(60):
            there = a + length * move
            slant = float((matrix @ there - there**-power) @ move)
            if slant > 0.1 * falling:
                high = length
            elif slant < -0.1 * falling and length < high:
                low = length
            else:
                break
            length = 0.5 * (low + high)
        a = a + length * move
    best = np.abs(residual(a)).max()
    for _ in range(20):
        trial = a + step(a)[0]
        if np.any(trial <= 0):
            break
        error = np.abs(residual(trial)).max()
        if error >= best:
            break
        a, best = trial, error
    return a * size ** (-2.0 / (1.0 + power))


def nash_mtl(gramian: ArrayLike) -> Array:
    """Nash bargaining: the positive solution of `G a = 1/a`, elementwise.

    Paper: Navon et al. 2022 (arXiv 2202.01017), Claim 3.1 and equation 1. Then `|J' a|^2 = T`.
    Authors' code: AvivNavon/nash-mtl, `methods/weight_methods.py`, `NashMTL.solve_optimization`: the Gramian is first
    divided by its Frobenius norm N, so the weights are `sqrt(N) a`; at most 20 convex-concave steps (cvxpy, ECOS), up
    to a residual of 1e-3, from the last weights; the gradient of the shared parameters is then clipped to the norm
    `max_norm` (1.0). Weights may be kept for several steps (`update_weights_every`, 1 by default). Here: the paper's
    equation, without the division and the clipping.

    The solution is unique, also with a singular Gramian, and exists unless the origin is in the convex hull of the
    gradients (a Pareto stationary point, which the paper excludes). A zero gradient is such a case. ValueError there;
    the authors' solver fails and keeps its last weights (at first all 1).
    """
    return _fair(np.asarray(gramian, dtype=float), 1.0)


def fairgrad(gramian: ArrayLike, alpha: float) -> Array:
    """Alpha-fair update: the positive solution of `G a = a^(-1/alpha)`, elementwise.

    Paper: Ban and Ji 2024 (arXiv 2402.15638), equation 5; `alpha = 1` is Nash-MTL.
    Authors' code: OptMN-Lab/fairgrad, `methods/weight_methods.py`, `FairGrad.fairgrad`: least squares of scipy on the
    residual, from 1/T, within `a >= 0`, default tolerances (1e-8); no normalisation of the Gramian; the direction is
    multiplied by the number of tasks ("to match the sum loss") and clipped to the norm `max_norm` (1.0). alpha is 1.0
    by default, 2.0 in the run scripts. `mtrl_files/fairgrad.py` takes 20 SGD steps instead. Here: the equation alone.

    The solution exists and is unique under the conditions of `nash_mtl`; otherwise ValueError. The authors' least
    squares return some minimiser of the residual there.

    The relative residual reaches rounding, which is `eps a^(1/alpha) (|G| a)`: with small alpha (0.3, 0.5) and norms
    that differ by 1e5, products that cancel can make that large for the shorter gradients; the weights are good then
    all the same.
    """
    return _fair(np.asarray(gramian, dtype=float), 1.0 / alpha)


def aligned_mtl(gramian: ArrayLike, scale: str) -> Array:
    """Aligned gradients: the singular values of J made equal, then the sum of the aligned gradients.

    Paper: Senushkin et al. 2023 (arXiv 2305.19000), section 4 and Algorithm 1: with `G = V L V'`, the weights are
    `B w`, `B = sigma V L^{-1/2} V'` over the R nonzero eigenvalues, `sigma^2` the smallest of them, and task weights w
    given beforehand. Aligned gradients are orthogonal where J has full rank.
    Authors' code: SamsungLabs/MTL, `code/optim/aligned/solver.py`, `ProcrustesSolver.apply` ('min', 'median' or
    'rmse', 'min' by default) and `code/optim/aligned/balancer.py`. The balancer sums the aligned gradients (`w = 1`
    for all, not 1/T): followed here; divide by T for the mean. 'median' is `torch.median`, the lower of the two middle
    eigenvalues for an even count; 'rmse' is the mean of the eigenvalues; both over the R retained ones. An
    eigenvalue is retained above `max * T * eps` with the eps of the default type, 1.2e-7 in float32: there, directions
    with a singular value below about 3.5e-4 `sqrt(T)` of the largest are dropped. Here the bound is
    `max * max(T * 2.2e-16, 1e-13)`. LibMTL (`weighting/Aligned_MTL.py`) has 'min' only, and the sum.

    Zero gradients: they have a row of zeros in B, so weight 0; the rest is as if they were absent. All zero: zeros.
    """
    gram = np.asarray(gramian, dtype=float)
    values, vectors = jacobi(gram)
    largest = values.max()
    if largest <= 0:
        return np.zeros(len(gram))
    kept = values > largest * max(len(gram) * np.finfo(float).eps, 1e-13)
    values, vectors = values[kept], vectors[:, kept]
    square = {
        "min": values.min(),
        "median": np.sort(values)[(len(values) - 1) // 2],
        "rmse": values.mean(),
    }[scale]
    return np.sqrt(square) * (vectors / np.sqrt(values)) @ vectors.sum(axis=0)


def dualproj(gramian: ArrayLike) -> Array:
    """Projection of the mean gradient onto the dual cone of all the gradients.

    Papers: Lopez-Paz and Ranzato 2017 (GEM, arXiv 1706.08840), equations 8 to 11: least change of the proposed
    gradient so that no product with the others is negative; the weights are `u + v` with v of the dual (equation 11).
    Quinton and Rey 2024 (arXiv 2406.16232) name it DualProj, with the mean of all rows as the proposed gradient.
    Authors' code: facebookresearch/GradientEpisodicMemory, `model/gem.py`, `project2cone2`: quadprog, 1e-3 added to
    the diagonal, and `v >= margin` (`memory_strength`, 0 in `main.py`, 0.5 in the function) instead of `v >= 0`; the
    rows are the memories of earlier tasks without the current one, and only when some product is negative. Quinton and
    Rey's code was not opened. Here: the exact projection.

    Zero gradients: their constraint always holds; they keep the weight 1/T. The weights need not be unique; the
    direction is.
    """
    gram = np.asarray(gramian, dtype=float)
    return onto_cone(gram, np.full((1, len(gram)), 1.0 / len(gram)))[0]


def upgrad(gramian: ArrayLike) -> Array:
    """Mean of the projections of each gradient onto the dual cone of all the gradients.

    Paper: Quinton and Rey 2024 (arXiv 2406.16232), equation 4, with the projections by Proposition 1 (`min v' G v`
    for `v >= u`).
    Authors' code (TorchJD) was not opened. LibMTL's `weighting/UPGrad.py`, which says that it follows it, divides the
    Gramian by its trace (zero below 1e-4), adds 1e-4 to the diagonal, then calls quadprog; the 1e-4 moves the answer
    visibly. Here: the exact projections.

    Zero gradients: their constraint always holds; they keep the weight 1/T. The weights need not be unique; the
    direction is.
    """
    gram = np.asarray(gramian, dtype=float)
    return onto_cone(gram, np.eye(len(gram))).mean(axis=0)


def krum(gramian: ArrayLike, byzantine: int, selected: int) -> Array:
    """Multi-Krum: the mean of the `selected` gradients that are closest to their neighbours.

    Paper: Blanchard et al. 2017 (NIPS), section 4: the score of a vector is the sum of the squared distances to its
    `n - f - 2` closest other vectors; Krum takes the one of smallest score, Multi-Krum averages the m smallest. The
    paper asks for `2 f + 2 < n`.
    Authors' code: LPD-EPFL/AggregaThor (the same group), `aggregators/krum.py` and `native/op_krum/cpu.cpp`: squared
    distances, `n - f - 2` others, and always `m = n - f - 2`. calicarpa/krum (a co-author's later package),
    `krum/primitives/aggregators/multikrum.py`, sums plain distances, not squared ones (and `n - f - 1` entries, with
    the zero distance to itself among them): a deviation from the paper. Here: the paper.

    Ties go to the lowest index (the paper: to the smallest identifier). Zero gradients are vectors as any other.
    """
    gram = np.asarray(gramian, dtype=float)
    tasks = len(gram)
    squares = np.diag(gram)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2.0 * gram, 0.0)
    scores = [np.sort(np.delete(distances[i], i))[: tasks - byzantine - 2].sum() for i in range(tasks)]
    weights = np.zeros(tasks)
    weights[np.argsort(scores, kind="stable")[:selected]] = 1.0 / selected
    return weights


def pcd(
    gramian: ArrayLike, ema: ArrayLike, steps: int, tau: float | Sequence[float], beta: float, eps: float
) -> tuple[Array, Array, int]:
    """Priority-constrained descent: the direction closest to the first gradient that serves the others by a share.

    Paper: Varam and AlHajri 2026 (arXiv 2606.29521), Algorithm 1. In this order:

    1. Definition 4.5: `ema <- beta ema + (1 - beta) |g_i|^2` with this step's norms, `steps <- steps + 1`, then
       `s_i = 1 / sqrt(ema / (1 - beta^steps) + eps)`; also in a step that halts.
    2. Where the first gradient is zero, the direction is zero (section 4.7).
    3. Definition 4.1 on the scaled gradients `s_i g_i`: `min |d - g_1|^2 / 2` with `g_j' d >= tau |g_j|^2` for every
       other j. The solution is `g_1 + sum_j mu_j g_j` with `mu >= 0` (Theorem 4.2).
    4. Constraints that exclude each other are all dropped for the step: `d = g_1`.
    5. The direction is rescaled to the norm of the (unscaled) first gradient; a zero direction stays zero.

    Authors' code: DaraVaram/priority-constrained-descent, `pcd/optim.py` `PCD.apply_gradients`, `pcd/qp.py`
    `solve_qp` (working sets by size, tolerance 1e-9), `pcd/normalize.py` `EMANormalizer`. Defaults: tau 0.02, beta
    0.999, eps 1e-8. It agrees with the paper; its notes say that the research code behind the paper used
    `1 / (sqrt(v) + eps)`. The paper was not at hand: its numbers are those that the code cites.

    Through a Gramian a direction shorter than about 1e-7 of its terms counts as zero.

    Args:
        gramian: products of the gradients, the primary first.
        ema: moving average of the squared norms, zeros at first.
        steps: number of steps before this one.
        tau: share for all the secondaries, or one for each.
        beta: decay of the moving average.
        eps: added to the squared norm under the root.

    Returns:
        Weights of the unscaled gradients, the new moving average, and the new number of steps.
    """
    gram = np.asarray(gramian, dtype=float)
    average = beta * np.asarray(ema, dtype=float) + (1.0 - beta) * np.diag(gram)
    steps = steps + 1
    scales = 1.0 / np.sqrt(average / (1.0 - beta**steps) + eps)
    weights = np.zeros(len(gram))
    norms = norms_of(gram)
    if norms[0] == 0:
        return weights, average, steps
    cosines = cosines_of(gram, norms)
    lengths = scales * norms
    shares = np.broadcast_to(np.asarray(tau, dtype=float), (len(gram) - 1,))
    slope = np.where(norms[1:] > 0, lengths[0] * cosines[1:, 0] - shares * lengths[1:], 0.0)
    multipliers = nonnegative(cosines[1:, 1:], slope)
    units = np.zeros(len(gram))
    units[0] = lengths[0]
    if multipliers is not None:
        units[1:] = multipliers
    square = units @ cosines @ units
    if square > 1e-14 * np.abs(units).sum() ** 2:
        used = norms > 0
        weights[used] = units[used] / norms[used] * norms[0] / np.sqrt(square)
    return weights, average, steps


def modo(gramian: ArrayLike, lam: ArrayLike, learning_rate: float, rho: float) -> tuple[Array, Array]:
    """MoDo: one projected stochastic gradient step of the weights, with two independent batches.

    Paper: Chen et al. 2023 (arXiv 2305.20057), Algorithm 1, equations 5a and 5b:
    `lam' = P(lam - gamma (J1 J2' lam + rho lam))` onto the simplex, with the gradients of two independent batches at
    the current parameters, and then a step along `J' lam'`: the new weights are used, not the old ones. The direction
    takes a third independent batch. Weights start at 1/T.
    Authors' code: heshandevaka/Trade-Off-MOL. `LibMTL/LibMTL/weighting/MoDo.py` `MoDo.backward`: the same update, new
    weights, and the direction with the sum of the gradients of the same two batches (so twice their mean: "handle
    avging via lr"). `Toy-MNIST-smooth/moo.py` `grad_modo`: new weights, with the mean of the two batches or with the
    third, by `num_samples`. gamma and rho are 0.1 by default in both. LibMTL's own `weighting/MoDo.py` has the third
    batch, gamma 0.001, rho 0.1. The weights are the same in all of them: only the batch of the direction differs.

    Args:
        gramian: `J1 J2'`, not symmetric in general: row i has the products of task i's gradient in the first batch.
        lam: weights before the step.
        learning_rate: gamma.
        rho: l2 regularisation of the weights.

    Returns:
        The weights of the direction and the new weights, which are equal.
    """
    cross = np.asarray(gramian, dtype=float)
    old = np.asarray(lam, dtype=float)
    new = on_simplex(old - learning_rate * (cross @ old + rho * old))
    return new.copy(), new


def sdmgrad(
    gramian: ArrayLike, w: ArrayLike, learning_rate: float, momentum: float, iterations: int, pull: float
) -> tuple[Array, Array]:
    """SDMGrad: projected stochastic gradient steps of the weights, the direction pulled to the mean gradient.

    Paper: Xiao et al. 2023 (arXiv 2305.18409), Algorithm 1: inner steps
    `w <- P(w - beta J1 (J2' w + lambda g_0))` onto the simplex, with `g_0` the mean gradient of the second batch, then
    a step along `J3' w + lambda g_0` of a third batch. The weights w are kept from step to step and start at 1/T.
    Authors' code: OptMN-Lab/sdmgrad, `methods/weight_methods.py`, `SDMGrad.sdmgrad`: SGD with learning rate 10 and
    momentum 0.5 (the velocity is that of torch, `v <- m v + gradient`; it starts anew in every training step and is
    kept over the inner iterations and across the projections), 20 iterations, lambda 0.6 in the class (0.3 on the
    command line and in the scripts), and the direction divided by `1 + lambda`. The Gramian is first divided by the
    square of the mean of `sqrt(diagonal + 1e-4)`; the direction uses the gradients as they are, is multiplied by the
    number of tasks ("to match the sum loss") and clipped to the norm `max_norm` (1). Its three gradient arrays are one
    and the same object (`[tensor] * 3`), so all three hold the batch written last: the cross Gramian of the released
    code is in truth symmetric. LibMTL (`weighting/SDMGrad.py`): learning rate 5, lambda 0.3, no multiplication and no
    clipping, negative diagonal entries taken as 0.

    Here: the paper with the momentum, and the division by `1 + lambda` of the code, so that the weights sum to 1. The
    Gramian is used as given: pass it divided by the authors' scale to have their normalisation.

    Args:
        gramian: `J1 J2'`, not symmetric in general: row i has the products of task i's gradient in the first batch.
        w: weights before the step.
        learning_rate: step size of the inner iterations.
        momentum: of the inner iterations.
        iterations: number of inner iterations.
        pull: lambda, the strength of the pull to the mean gradient.

    Returns:
        `(w + lambda / T) / (1 + lambda)` with the new w, and the new w.
    """
    cross = np.asarray(gramian, dtype=float)
    new = np.array(w, dtype=float)
    mean = np.full(len(cross), 1.0 / len(cross))
    velocity = np.zeros(len(cross))
    for _ in range(iterations):
        velocity = momentum * velocity + cross @ (new + pull * mean)
        new = on_simplex(new - learning_rate * velocity)
    return (new + pull * mean) / (1.0 + pull), new
