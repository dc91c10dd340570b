"""Reference implementations of published loss and gradient balancing methods, for use as a test oracle.

Written from the papers and from the authors' public code, in numpy and float64 only. Nothing here is tuned
for speed, and nothing here shares code with the implementation under test.

Notation: T tasks, P shared parameters, L the task losses [T], J the task gradients [T, P] with rows g_i. A
method answers weights w [T] such that the shared update is ``sum_i w_i g_i``, with the overall scale the
authors use. ``graddrop``, ``config`` and ``trimmed_mean`` answer the combined direction [P] instead, because
they do not have one weight per task. Where a method minimises a scalar function of the losses, its weights
are the partial derivatives of this function.

In the docstrings, "Paper" names the publication and "Code" the authors' own repository. LibMTL is the library
https://github.com/median-research-group/LibMTL; it is a second source, except for the random weighting, which
was published by its authors.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def _array(values: ArrayLike) -> Array:
    """Copy the values into a float64 array."""
    return np.array(values, dtype=np.float64)


def _softmax(values: Array) -> Array:
    """Softmax over the only axis; the maximum is taken off first, which does not change the result."""
    powers = np.exp(values - np.max(values))
    return powers / np.sum(powers)


class _Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) with the defaults of ``torch.optim.Adam``.

    The decay is added to the gradient as ``decay * value`` before the moments are formed (a plain L2 penalty).
    It is not the decoupled decay of AdamW.
    """

    def __init__(self, size: int, learning_rate: float, decay: float = 0.0) -> None:
        self.learning_rate = learning_rate
        self.decay = decay
        self.steps = 0
        self.mean = np.zeros(size)
        self.square = np.zeros(size)

    def step(self, value: Array, gradient: Array) -> Array:
        """Return the value after one step; the argument is not changed."""
        self.steps += 1
        gradient = gradient + self.decay * value
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean = self.mean / (1 - 0.9**self.steps)
        square = self.square / (1 - 0.999**self.steps)
        return value - self.learning_rate * mean / (np.sqrt(square) + 1e-8)


def random_weights(draws: ArrayLike) -> Array:
    """Random loss weighting (RLW): the softmax of T standard normal draws.

    Paper: Lin, Ye, Zhang and Tsang, "Reasonable effectiveness of random weighting" (TMLR 2022, arXiv
    2111.10603), with the normal distribution and the softmax as normalisation.
    Code: LibMTL, ``LibMTL/weighting/RLW.py``, ``RLW.backward``. Fresh draws are made in every step and the
    weights sum to 1, not to T. Paper and code agree.
    """
    return _softmax(_array(draws))


class Uncertainty:
    """Uncertainty weighting (UW): ``sum_i exp(-s_i) L_i / 2 + s_i / 2`` with trained log variances s.

    Paper: Kendall, Gal and Cipolla 2018 (arXiv 1705.07115), equation 7 with ``s = log sigma^2``. For a
    classification loss equation 10 has no factor 1/2; here, as is usual, every task has it.
    Code: yaringal/multi-task-learning-example, ``multi-task-learning-example-pytorch.ipynb``, ``criterion``
    (by the second author). That code minimises ``sum_i exp(-s_i) L_i + s_i``, which is twice the objective
    here; s starts at 0 and is trained by the Adam that also trains the network. The paper is followed for the
    factor 1/2. (LibMTL ``UW.py`` and lorenmt/mtan use the factor 1/2 too, but start s at -0.5.)

    Network and s are trained in one step, hence the weights are those before the update of s.
    """

    def __init__(self, tasks: int, learning_rate: float) -> None:
        self.log_variances = np.zeros(tasks)
        self.adam = _Adam(tasks, learning_rate)

    def weights(self, losses: ArrayLike) -> Array:
        """Return ``exp(-s) / 2``, then update s with the losses."""
        weights = np.exp(-self.log_variances) / 2
        self.log_variances = self.adam.step(self.log_variances, 0.5 - weights * _array(losses))
        return weights


class ImtlL:
    """IMTL-L, the loss balancing part of IMTL: ``sum_i exp(s_i) L_i - s_i`` with trained s.

    Paper: Liu, Li, Kuang, Xue, Chen, Yang, Liao and Zhang, "Towards impartial multi-task learning" (ICLR 2021),
    equation 6 and algorithm 1 (lines 5 and 16). Algorithm 1 trains s by plain gradient descent with the
    learning rate of the network, in the same step as the network; it does not name the start value of s.
    Code: no repository of the authors was found. LibMTL, ``LibMTL/weighting/IMTL.py``, ``IMTL.backward``,
    starts s at 0 and trains it by the optimiser of the network, but only together with IMTL-G.

    Here s starts at 0 and is trained by Adam. The weights are those before the update of s.
    """

    def __init__(self, tasks: int, learning_rate: float) -> None:
        self.scales = np.zeros(tasks)
        self.adam = _Adam(tasks, learning_rate)

    def weights(self, losses: ArrayLike) -> Array:
        """Return ``exp(s)``, then update s with the losses."""
        weights = np.exp(self.scales)
        self.scales = self.adam.step(self.scales, weights * _array(losses) - 1)
        return weights


class Dwa:
    """Dynamic weight average (DWA): weights from the rates at which the mean losses fell.

    Paper: Liu, Johns and Davison 2019 (arXiv 1803.10704), equation 7. In epoch t the weights are
    ``T softmax(r / temperature)`` with ``r_i = mean loss i of epoch t-1 / mean loss i of epoch t-2``.
    Code: lorenmt/mtan, ``im2im_pred/utils.py``, ``multi_task_trainer`` (default ``--temp 2.0``). In the first
    two epochs (index 0 and 1) all weights are 1. From epoch 2 on, the rule above holds and the weights are
    constant within the epoch. The mean of an epoch gives every batch the same share. Paper and code agree.
    """

    def __init__(self, tasks: int, temperature: float) -> None:
        self.tasks = tasks
        self.temperature = temperature
        self.sums: dict[int, Array] = {}
        self.counts: dict[int, int] = {}

    def _mean(self, epoch: int) -> Array:
        if epoch not in self.sums:
            raise ValueError(f"no losses were recorded for epoch {epoch}")
        return self.sums[epoch] / self.counts[epoch]

    def weights(self, losses: ArrayLike, epoch: int) -> Array:
        """Return the weights of the epoch (counted from 0), then record the losses of this step."""
        if epoch < 2:
            weights = np.ones(self.tasks)
        else:
            rates = self._mean(epoch - 1) / self._mean(epoch - 2)
            weights = self.tasks * _softmax(rates / self.temperature)
        self.sums[epoch] = self.sums.get(epoch, np.zeros(self.tasks)) + _array(losses)
        self.counts[epoch] = self.counts.get(epoch, 0) + 1
        return weights


def gls(losses: ArrayLike) -> Array:
    """Geometric loss strategy (GLS): the gradient of the geometric mean ``(prod_i L_i)^(1/T)``.

    Paper: Chennupati, Sistu, Yogamani and Rawashdeh, "MultiNet++" (CVPR workshops 2019), the geometric mean
    loss. The derivative is ``w_i = (prod_j L_j)^(1/T) / (T L_i)``.
    Code: no repository of the authors was found. LibMTL, ``LibMTL/weighting/GLS.py``, ``GLS.backward``,
    differentiates the same function; the weights which that function returns for the log are not this
    derivative, but they are not used for the update.
    """
    losses = _array(losses)
    return np.exp(np.mean(np.log(losses))) / (losses.size * losses)


class Famo:
    """Fast adaptive multitask optimisation (FAMO).

    Paper: Liu, Feng, Stone and Liu 2023 (arXiv 2306.03792), algorithm 1. With ``z = softmax(xi)`` the weights
    are ``c z_i / L_i`` with ``c = 1 / sum_i (z_i / L_i)``. After the step of the network, xi moves against
    ``delta + decay xi``, where delta is the Jacobian of the softmax, transposed, times
    ``log L_before - log L_after``: a task that fell more than the others loses weight. The paper states the
    decay 0.001.
    Code: Cranial-XIX/FAMO, ``famo.py``, ``FAMO.get_weighted_loss`` and ``FAMO.update`` (the same lines are in
    ``methods/weight_methods.py``).

    Where they differ, the code is followed. The paper takes a plain gradient step in xi; the code takes an Adam
    step (betas 0.9 and 0.999, epsilon 1e-8), with the decay as the ``weight_decay`` of Adam, i.e. added to the
    gradient before the moments. The code replaces L by ``D = L - lower bound + 1e-8``, in the weights and in
    both logarithms; the lower bound is 0 by default. xi starts at 0.

    The code also clips the norm of the shared gradient (``max_norm`` 1); this is outside of the weights and is
    left out. The network uses z before the update; ``after`` takes the losses of the SAME batch, after the step
    of the network.
    """

    def __init__(self, tasks: int, learning_rate: float, decay: float) -> None:
        self.logits = np.zeros(tasks)
        self.adam = _Adam(tasks, learning_rate, decay)
        self.before: Array | None = None

    def weights(self, losses: ArrayLike) -> Array:
        """Return the weights of this step (their sum is 1) and keep the losses for ``after``."""
        self.before = _array(losses) + 1e-8
        ratios = _softmax(self.logits) / self.before
        return ratios / np.sum(ratios)

    def after(self, losses: ArrayLike) -> None:
        """Update the logits with the losses after the step of the network."""
        if self.before is None:
            raise ValueError("weights must be called before after")
        change = np.log(self.before) - np.log(_array(losses) + 1e-8)
        shares = _softmax(self.logits)
        gradient = shares * (change - shares @ change)
        self.logits = self.adam.step(self.logits, gradient)


def stch(
    losses: ArrayLike, preferred: ArrayLike, mu: float, nadir: ArrayLike | None = None, ideal: ArrayLike = 0.0
) -> Array:
    """Smooth Tchebycheff scalarisation (STCH): gradient of ``mu log sum_i exp(preferred_i (L_i - ideal_i) / mu)``.

    Paper: Lin, Zhang, Yang, Liu, Wang and Zhang, "Smooth Tchebycheff scalarization for multi-objective
    optimization" (ICML 2024, arXiv 2402.19078), the definition of the smooth Tchebycheff function. The derivative
    is ``preferred_i softmax(preferred (L - ideal) / mu)_i``.
    Code: Xi-L/STCH, ``STCH_PSL/run_stch_psl.py`` (the branch ``stch``; mu 0.01). The values are first scaled to
    ``(L - ideal) / (nadir - ideal)`` there. With a nadir, this scaling is part of the function differentiated
    here, hence a factor ``1 / (nadir_i - ideal_i)`` in the weights. Without one, the paper's formula is used.
    The authors' code for deep networks is another formula; see ``Stch``.
    """
    losses, preferred = _array(losses), _array(preferred)
    ideal = np.broadcast_to(_array(ideal), losses.shape)
    width = np.ones_like(losses) if nadir is None else _array(nadir) - ideal
    return preferred * _softmax(preferred * (losses - ideal) / width / mu) / width


class Stch:
    """Smooth Tchebycheff scalarisation as the authors train deep networks with it.

    Paper: as for ``stch``, section on multi-task learning.
    Code: Xi-L/STCH, ``STCH_MTL/LibMTL/weighting/STCH.py``, ``STCH.backward``; LibMTL has the same lines.
    Defaults in ``STCH_MTL/LibMTL/config.py``: mu 1.0, warm-up 4.

    What the code computes, epochs counted from 0 and losses L of one batch:

    - Epochs up to and INCLUDING the index ``warmup_epochs`` (thus warmup_epochs + 1 epochs) minimise
      ``sum_i log(L_i + 1e-20)``, i.e. the weights are ``1 / (L_i + 1e-20)``.
    - In the epoch with the index ``warmup_epochs`` only, the batch losses are also averaged, every batch with
      the same share. This average is the nadir vector. It is fixed from then on.
    - Later epochs minimise ``T mu log sum_i exp(x_i / mu)`` with ``x_i = log(L_i / nadir_i + 1e-20)``. The log of
      the ratio is inside, and the factor T is there. The maximum of x is taken off as a constant, for numerical
      reasons only; it changes the value and not the gradient. No ideal point and NO preferences are used.

    The weights after the warm-up are thus ``T softmax(x / mu)_i / (L_i + 1e-20 nadir_i)``.

    The argument ``preferred`` is an addition to the authors' code: x_i becomes ``preferred_i x_i``. The authors'
    code is ``preferred = ones(T)`` (the sum is T, not 1). The warm-up ignores ``preferred``.
    """

    def __init__(self, tasks: int, preferred: ArrayLike, mu: float, warmup_epochs: int) -> None:
        self.tasks = tasks
        self.preferred = _array(preferred)
        self.mu = mu
        self.warmup_epochs = warmup_epochs
        self.sum = np.zeros(tasks)
        self.count = 0
        self.nadir: Array | None = None

    def weights(self, losses: ArrayLike, epoch: int, step: int) -> Array:
        """Return the weights in this epoch. The step number is not used (the authors count steps, unused)."""
        losses = _array(losses)
        if epoch <= self.warmup_epochs:
            if epoch == self.warmup_epochs:
                self.sum = self.sum + losses
                self.count += 1
            return 1 / (losses + 1e-20)
        if self.nadir is None:
            if self.count == 0:
                raise ValueError(f"no losses were recorded in epoch {self.warmup_epochs}")
            self.nadir = self.sum / self.count
        ratios = losses / self.nadir + 1e-20
        shares = _softmax(self.preferred * np.log(ratios) / self.mu)
        return self.tasks * self.preferred * shares / (ratios * self.nadir)


def pbi(losses: ArrayLike, preferred: ArrayLike, theta: float) -> Array:
    """Penalty-based boundary intersection (PBI): the gradient of ``d1 + theta d2``, with the ideal point 0.

    Paper: Zhang and Li, "MOEA/D" (IEEE Transactions on Evolutionary Computation 11(6), 2007), section II.C; theta
    is 5 in its experiments. ``d1`` is the length of the projection of L on the preferred direction and ``d2`` the
    distance of L from its line. With the unit vector u of the direction, ``d1 = |u'L|`` and ``d2 = |L - d1 u|``.
    The paper writes d2 with the direction as given (its weights sum to 1); here the unit vector is used in both,
    as is usual.
    Code: the authors' own code was not found. xzhang2523/libmoon, ``libmoon/util/scalarization.py``, ``pbi``,
    uses the unit vector in both terms too (without the absolute value, which makes no difference for losses and
    directions that are not negative).

    The derivative of d2 does not exist on the line itself; there (up to rounding, 1e-12 of the length of L) the
    second term is set to 0. Tests ought to keep away from it.
    """
    losses, preferred = _array(losses), _array(preferred)
    unit = preferred / np.linalg.norm(preferred)
    projection = unit @ losses
    sign = 1.0 if projection >= 0 else -1.0
    difference = losses - sign * projection * unit
    distance = np.linalg.norm(difference)
    if distance <= 1e-12 * np.linalg.norm(losses):
        return sign * unit
    return sign * unit + theta * (difference - sign * (unit @ difference) * unit) / distance


def cosmos(losses: ArrayLike, r: ArrayLike, gamma: float, mirrored: bool) -> Array:
    """COSMOS: the gradient of ``r'L - gamma cos(q, L)``, where q is r, or ``1 - r`` if mirrored.

    Paper: Ruchte and Grabocka, "Scalable Pareto front approximation for deep multi-objective learning" (ICDM 2021,
    arXiv 2103.13392), the objective with the cosine penalty.
    Code: ruchtem/cosmos, ``multi_objective/methods/cosmos/cosmos.py``, ``COSMOSMethod.step``. The cosine is
    subtracted (minimising pulls L towards the direction), times ``lamda`` (0.01 to 8, by data set, in
    ``settings.py``). r is drawn from a Dirichlet distribution in every step, thus sums to 1, and is also an input
    of the network. The losses are not normalised, and q is r itself. The code is thus ``mirrored = False``; the
    mirrored form is in neither paper nor code.

    The code's cosine bounds the lengths from below by 1e-8 (torch); this is left out here.
    """
    losses, r = _array(losses), _array(r)
    q = 1 - r if mirrored else r
    length = np.linalg.norm(losses)
    unit = losses / length
    direction = q / np.linalg.norm(q)
    return r - gamma * (direction - (direction @ unit) * unit) / length


class GradNorm:
    """GradNorm: weights trained such that the gradient norms follow the training rates.

    Paper: Chen, Badrinarayanan, Lee and Rabinovich 2018 (arXiv 1711.02257), algorithm 1. With the norms
    ``G_i = |w_i g_i|``, their mean G, the ratios ``q_i = L_i / L_i(0)`` and ``r_i = q_i / mean(q)``, the weights
    are trained on ``sum_i |G_i - G r_i^alpha|``, where ``G r_i^alpha`` counts as a constant. They start at 1 and
    are scaled to the sum T after every update. The network's step uses the weights from before the update.
    Code: no repository of the authors was found. LibMTL, ``LibMTL/weighting/GradNorm.py``, differs from the
    paper: the weights are T times a softmax of trained numbers, they stay 1 in the whole first epoch, and
    ``L(0)`` is the mean loss of the first epoch (default alpha 1.5; there, too, the weights before the update are
    used). The paper is followed.

    ``L(0)`` is the loss of the first call. The weights are trained by Adam; the paper says "standard update
    rules" in general. The moments of Adam are not touched by the scaling to the sum T. Where ``G_i`` meets its
    target the derivative is 0. Nothing keeps a weight positive, in the paper or here; a negative weight
    enters through ``G_i = |w_i| |g_i|``.
    """

    def __init__(self, tasks: int, alpha: float, learning_rate: float) -> None:
        self.tasks = tasks
        self.alpha = alpha
        self.current = np.ones(tasks)
        self.adam = _Adam(tasks, learning_rate)
        self.first: Array | None = None

    def weights(self, losses: ArrayLike, jacobian: ArrayLike) -> Array:
        """Return the weights before the update, then update and scale them."""
        losses = _array(losses)
        if self.first is None:
            self.first = losses
        lengths = np.linalg.norm(_array(jacobian), axis=1)
        norms = np.abs(self.current) * lengths
        ratios = losses / self.first
        targets = np.mean(norms) * (ratios / np.mean(ratios)) ** self.alpha
        gradient = np.sign(norms - targets) * np.sign(self.current) * lengths
        weights = self.current
        moved = self.adam.step(weights, gradient)
        self.current = self.tasks * moved / np.sum(moved)
        return weights.copy()


class ExcessMtl:
    """ExcessMTL: exponentiated weights from estimates of the excess risk of each task.

    Paper: He, Zhou, Zhang, Yun, Xu, Zeng, Chilimbi and Zhao, "Robust multi-task learning with excess risks" (ICML
    2024, arXiv 2402.02009).
    Code: yifei-he/ExcessMTL, ``LibMTL/LibMTL/weighting/ExcessMTL.py``, ``ExcessMTL.backward``. All three versions
    of this file in the history, and the copy in LibMTL, compute the same.

    Each step adds the squared gradient of each task to a sum per coordinate (as Adagrad does; never decayed) and
    estimates the risk ``e_i = sum_p g_ip^2 / sqrt(sum of squares_ip + 1e-7)``. The sum already contains the
    gradient of this step; there is no factor 1/2. The gradients are not weighted.

    The first step only records e as the initial risk; all weights stay 1 (the flag is named ``first_epoch`` but
    is cleared after the first STEP). In every later step the weights are multiplied by
    ``exp(rate e_i / initial e_i)`` and scaled to the sum T, and the network uses them AFTER this update, in the
    same step. The default rate ``robust_step_size`` is 0.01 in ``config.py``; the example in the README has 1.
    The division by the initial risk has no epsilon; a task with a zero first gradient gives 0/0.

    The code is followed.
    """

    def __init__(self, tasks: int, shared: int, learning_rate: float) -> None:
        self.tasks = tasks
        self.learning_rate = learning_rate
        self.squares = np.zeros((tasks, shared))
        self.current = np.ones(tasks)
        self.initial: Array | None = None

    def weights(self, jacobian: ArrayLike) -> Array:
        """Update the weights (except in the first step) and return them."""
        jacobian = _array(jacobian)
        self.squares = self.squares + jacobian**2
        risks = np.sum(jacobian**2 / np.sqrt(self.squares + 1e-7), axis=1)
        if self.initial is None:
            self.initial = risks
        else:
            raised = self.current * np.exp(self.learning_rate * risks / self.initial)
            self.current = self.tasks * raised / np.sum(raised)
        return self.current.copy()


def graddrop(jacobian: ArrayLike, draws: ArrayLike, leak: ArrayLike = 0.0) -> Array:
    """Gradient sign dropout (GradDrop): per coordinate, only gradients of one randomly picked sign are kept.

    Paper: Chen, Ngiam, Huang, Luong, Kretzschmar, Chai and Anguelov, "Just pick a sign" (NeurIPS 2020, arXiv
    2010.06808), equation 1 and algorithm 1. The purity is ``P = (1 + sum_i g_i / sum_i |g_i|) / 2`` per
    coordinate. With a uniform draw U, positive gradients are kept where ``f(P) > U`` and negative ones where
    ``f(P) < U``; f is the identity here (as by default in paper and code). The direction is the sum of
    ``(leak_i + (1 - leak_i) M_i) g_i`` over the tasks, with the 0/1 mask M and no other scale. The leak is one
    number or one per task.
    Code: tensorflow/lingvo, ``lingvo/core/graddrop.py``, ``GradDrop`` (the first author is with this group; the
    file cites the paper as its method). It works on the gradients of a shared activation, not of parameters: the
    sign of the purity uses gradient times sign of the activation, summed over the batch. It has 1e-7 in the
    denominator of P, keeps the positive sign also on a tie ``P = U``, and by default (``keep_gradnorm_constant``)
    multiplies the result by its norm over the norm of the incoming gradient (the inverse of what the name says).

    The paper's formula is followed, applied directly to the parameter gradients. Where all gradients are 0 the
    purity is 0/0; the direction is 0 there.
    """
    jacobian, draws = _array(jacobian), _array(draws)
    total = np.sum(np.abs(jacobian), axis=0)
    purity = 0.5 * (1 + np.sum(jacobian, axis=0) / np.where(total > 0, total, 1.0))
    mask = np.where(jacobian > 0, purity > draws, purity < draws)
    leak = np.broadcast_to(_array(leak), jacobian.shape[:1])[:, None]
    return np.sum((leak + (1 - leak) * mask) * jacobian, axis=0)


def config(jacobian: ArrayLike) -> Array:
    """ConFIG: the direction with equal cosines to all gradients; its length is the sum of their projections.

    Paper: Liu, Chu and Thuerey, "ConFIG: towards conflict-free training of physics informed neural networks" (ICLR
    2025, arXiv 2408.11104), section 3. With the unit gradients as rows of U, the direction is the unit vector d of
    ``pinv(U) 1`` and the result is ``(sum_i g_i'd) d``.
    Code: tum-pbs/ConFIG, ``conflictfree/grad_operator.py``, ``ConFIG_update``, with the defaults ``EqualWeight``
    (a vector of ones) and ``ProjectionLength``.

    Special cases in the code, followed here unless stated:

    - A zero gradient gives 0/0, which is set to 0: a zero row in U. It has no influence on the direction.
    - The default solves ``U x = 1`` by ``torch.linalg.lstsq``. On the CPU this is the least-squares solution of
      least norm, with singular values under ``max(T, P)`` times the machine precision dropped, i.e. the
      pseudo-inverse (``use_least_square=False`` calls pinv). On a GPU torch assumes full rank, so a rank-deficient
      U is not handled. Here it is always the pseudo-inverse with this cutoff.
    - If the solution is exactly the zero vector, the result is the zero vector. If it is zero up to rounding (e.g.
      two opposite gradients), the rounding error is scaled to length 1; tests ought to keep away from it.
    - ``ConFIGOperator`` uses ``ConFIG_update_double`` for T = 2. It gives the same direction (the bisector), but
      NaN if a gradient is zero, and NaN or scaled-up rounding error if the two are parallel. This is NOT followed.
    """
    jacobian = _array(jacobian)
    lengths = np.linalg.norm(jacobian, axis=1, keepdims=True)
    units = np.where(lengths > 0, jacobian / np.where(lengths > 0, lengths, 1.0), 0.0)
    cutoff = max(units.shape) * np.finfo(np.float64).eps
    direction = np.linalg.pinv(units, rcond=cutoff) @ np.ones(len(units))
    length = np.linalg.norm(direction)
    if length == 0:
        return np.zeros_like(direction)
    direction = direction / length
    return np.sum(jacobian @ direction) * direction


def trimmed_mean(jacobian: ArrayLike, trimmed: int) -> Array:
    """Coordinate-wise mean without the ``trimmed`` largest and the ``trimmed`` smallest values.

    Paper: Yin, Chen, Ramchandran and Bartlett, "Byzantine-robust distributed learning: towards optimal statistical
    rates" (ICML 2018, arXiv 1803.01498), definition 2. The paper states a fraction ``beta`` of the T values for
    each end, ``trimmed = beta T``; the sum of the others is divided by ``T - 2 trimmed``.
    Code: no repository of the authors was found.
    """
    ordered = np.sort(_array(jacobian), axis=0)
    if not 0 <= 2 * trimmed < len(ordered):
        raise ValueError(f"cannot trim {trimmed} values from both ends of {len(ordered)}")
    return np.mean(ordered[trimmed : len(ordered) - trimmed], axis=0)


class DbMtl:
    """Lin et al. 2023, arXiv 2308.12029, as ``LibMTL/weighting/DB_MTL.py``."""

    def __init__(self, tasks: int, size: int, beta: float, sigma: float) -> None:
        self.buffer, self.step = np.zeros((tasks, size)), 0
        self.beta, self.sigma = beta, sigma

    def direction(self, losses: ArrayLike, jacobian: ArrayLike) -> Array:
        self.step += 1
        log_gradients = np.asarray(jacobian, float) / (np.asarray(losses, float)[:, None] + 1e-8)
        share = self.beta / self.step**self.sigma
        self.buffer = log_gradients + share * (self.buffer - log_gradients)
        norms = np.linalg.norm(self.buffer, axis=-1)
        return (norms.max() / (norms + 1e-8)) @ self.buffer
