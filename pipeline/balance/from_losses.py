"""Weights from the losses of a step and their history.

A method that descends on f(L) has the weights df/dL_i. A task without a labelled row has loss 0 in that step: it takes
no part, and nothing is learnt of it.
"""

import torch
from torch import Tensor

from pipeline.balance.adam import Adam
from pipeline.balance.base import Balancer, Seen
from pipeline.balance.fixed import preferred

_TINY = 1e-8
_NEVER = -1e30  # a logarithm whose exponential is 0


class Uncertainty(Balancer):
    """Trained noise: weights exp(-s) / 2, while s descends on exp(-s) L / 2 + s / 2.

    Kendall et al. 2018 (arXiv 1705.07115), equation 7, with s the logarithm of the variance, from 0 as in
    yaringal/multi-task-learning-example. It descends by Adam at a rate of its own instead of the network's.
    """

    def begin(self) -> None:
        """See `Balancer`."""
        self._s = self.rows("s", len(self.tasks))
        self._adam = Adam(self, self._s, self.column("learning_rate"))

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`."""
        assert seen.losses is not None
        weights = self._weights()
        self._adam.step(self._slopes(seen.losses, weights), seen.losses != 0)
        return weights

    def _weights(self) -> Tensor:
        return torch.exp(-self._s).mul_(0.5)

    def _slopes(self, losses: Tensor, weights: Tensor) -> Tensor:
        return 0.5 - weights * losses


class LearntScale(Uncertainty):
    """Trained scales: weights exp(s), while s descends on exp(s) L - s (IMTL-L; Liu et al. 2021, ICLR, equation 6).

    Algorithm 1 descends at the network's rate; this by Adam at one of its own.
    """

    def _weights(self) -> Tensor:
        return torch.exp(self._s)

    def _slopes(self, losses: Tensor, weights: Tensor) -> Tensor:
        return weights * losses - 1.0


class DynamicAverage(Balancer):
    """T times the softmax of each loss's ratio between the last two epochs, over a temperature.

    DWA, Liu et al. 2019 (arXiv 1803.10704), equation 7. The first two epochs have equal weights, as in the authors'
    im2im_pred/utils.py (lorenmt/mtan).
    """

    def begin(self) -> None:
        """See `Balancer`."""
        names = ("sums", "counts", "newer", "older")
        self._sums, self._counts, self._newer, self._older = (self.rows(name, len(self.tasks)) for name in names)
        self._temperature = self.column("temperature")
        self._chosen: Tensor | None = None

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`."""
        assert seen.losses is not None
        if seen.step == 0 and seen.epoch:
            self._older.copy_(self._newer)
            self._newer.copy_(self._sums / self._counts.clamp_min(1.0))
            self._sums.zero_()
            self._counts.zero_()
        if seen.step == 0 or self._chosen is None:
            ratios = torch.where(self._older > 0, self._newer / self._older, 1.0) if seen.epoch > 1 else self._newer * 0
            self._chosen = len(self.tasks) * torch.softmax(ratios / self._temperature, 1)
        self._sums.add_(seen.losses)
        self._counts.add_(seen.losses != 0)
        return self._chosen


class GeometricMean(Balancer):
    """The gradient of the geometric mean of the losses (GLS; Chennupati et al. 2019, whose code is not public)."""

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`."""
        assert seen.losses is not None
        there = seen.losses != 0
        count = there.sum(1, keepdim=True).clamp_min(1)
        logs = torch.where(there, seen.losses, 1.0).log()
        mean = torch.exp(logs.sum(1, keepdim=True) / count)
        return torch.where(there, mean / (count * seen.losses), 0.0)


class Famo(Balancer):
    """Weights z_i / L_i over their sum, z = softmax(w): every loss falls at a like rate (Liu et al. 2023).

    arXiv 2306.03792, algorithm 1. After the step w follows how far each logarithm of a loss fell, by Adam as in the
    authors' famo.py (Cranial-XIX/FAMO), which clips the gradient besides.
    """

    def begin(self) -> None:
        """See `Balancer`."""
        self._w = self.rows("w", len(self.tasks))
        self._adam = Adam(self, self._w, self.column("learning_rate"), self.column("decay"))

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`: they sum to 1."""
        assert seen.losses is not None
        self._before = seen.losses
        weights = torch.where(seen.losses != 0, self._shares() / (seen.losses + _TINY), 0.0)
        return weights / weights.sum(1, keepdim=True).clamp_min(_TINY)

    def after(self, losses: Tensor) -> None:
        """See `Balancer`."""
        there = self._before != 0
        fell = torch.where(there, torch.log(self._before + _TINY) - torch.log(losses + _TINY), 0.0)
        z = self._shares()
        self._adam.step(z * (fell - (z * fell).sum(1, keepdim=True)), there)

    def _shares(self) -> Tensor:
        """What z is among the tasks that are there."""
        return torch.softmax(self._w.masked_fill(self._before == 0, _NEVER), 1)


class SmoothMaximum(Balancer):
    """The gradient of T mu log sum exp(x_i / mu), x_i = p_i log(L_i / n_i), p preferred weights that sum to T.

    STCH, Lin et al. 2024 (arXiv 2402.19078), as its authors train networks: their code's
    STCH_MTL/LibMTL/weighting/STCH.py. The first epochs descend on the sum of log L_i; the mean losses of the last of
    them are the nadir n, which brings tasks of unlike losses to a like size. Their code has no preferred weights, which
    is p = 1. With `nadir` given there is nothing to estimate, and the warm-up is an epoch shorter.
    """

    def begin(self) -> None:
        """See `Balancer`."""
        self._preferred = preferred(self.settings, self.tasks, self.device)
        self._mu, self._warmup = self.column("mu"), self.value("warmup")
        given = self.value("nadir")
        self._estimates = given == "warmup"
        self._sums, self._counts = self.rows("sums", len(self.tasks)), self.rows("counts", len(self.tasks))
        if not self._estimates:
            self._sums.copy_(torch.tensor([given[task] for task in self.tasks]))
            self._counts.fill_(1.0)

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`."""
        assert seen.losses is not None
        there = seen.losses != 0
        slopes = torch.where(there, 1 / seen.losses, 0.0)
        if self._estimates and seen.epoch == self._warmup:
            self._sums.add_(seen.losses)
            self._counts.add_(there)
        if seen.epoch < self._warmup + self._estimates:
            return slopes
        nadir = torch.where(self._counts > 0, self._sums / self._counts, 1.0)
        scaled = self._preferred * torch.log(seen.losses / nadir) / self._mu
        shares = torch.softmax(scaled.masked_fill(~there, _NEVER), 1)
        return len(self.tasks) * self._preferred * shares * slopes


class Boundary(Balancer):
    """The gradient of d1 + theta d2: along the preferred direction of losses, and away from it.

    PBI, Zhang and Li 2007 (MOEA/D), section II.C, with the ideal point at 0 and a direction of length 1 in both terms.
    A task whose loss is far smaller than preferred can get a negative weight.
    """

    def begin(self) -> None:
        """See `Balancer`."""
        self._direction, _ = _directed(preferred(self.settings, self.tasks, self.device))
        self._theta = self.column("theta")

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`."""
        assert seen.losses is not None
        direction, _ = _directed(self._direction * (seen.losses != 0))
        along = (seen.losses * direction).sum(1, keepdim=True)
        away = torch.addcmul(seen.losses, along, direction, value=-1.0)
        # On the ray itself the distance has no gradient: there it counts as a millionth of the losses.
        distance = (away.square().sum(1, keepdim=True) + 1e-12 * seen.losses.square().sum(1, keepdim=True)).sqrt_()
        return torch.addcdiv(direction, self._theta * away, distance)


class Cosmos(Balancer):
    """The gradient of r L - gamma cos(q, L), r the preference that the network is given in this step, q a ray.

    COSMOS, Ruchte and Grabocka 2021 (arXiv 2103.13392), where q is r itself, as in the authors'
    methods/cosmos/cosmos.py (ruchtem/cosmos). Of the two terms the first then asks for
    less loss where the share is larger and the second for more, and which of them wins depends on gamma and on how
    large the losses are. So here q is 1 - r unless `ray` says otherwise. A task whose loss is far below the ray can get
    a negative weight.
    """

    def begin(self) -> None:
        """See `Balancer`."""
        self._alphas = [it.values()["alpha"] for it in self.settings]
        self._gamma = self.column("gamma")
        self._mirrored = self.value("ray") == "mirrored"

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`."""
        assert seen.losses is not None
        drawn = [
            stream.preference(len(self.tasks), alpha, seen.epoch, seen.step)
            for stream, alpha in zip(seen.streams, self._alphas, strict=True)
        ]
        there, shares = seen.losses != 0, torch.tensor(drawn, device=self.device)
        ray, _ = _directed((1 - shares if self._mirrored else shares) * there)
        losses, norm = _directed(seen.losses)
        cosine = (ray * losses).sum(1, keepdim=True)
        return shares * there - self._gamma * (ray - cosine * losses) / norm


def _directed(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [K, T] of length 1, and their lengths [K, 1]."""
    norm: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_min(_TINY)
    return rows / norm, norm
