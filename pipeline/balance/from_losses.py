"""Weights from the losses of a step and their history.

A method that minimises f(L) has the weights df/dL_i. A task without a labelled row in a step has loss 0 there; it is
left out of that step, and its state does not change.
"""

import torch
from torch import Tensor

from pipeline.balance.adam import Adam
from pipeline.balance.balancer import Balancer, StepInputs
from pipeline.balance.fixed import given_weights

_TINY = 1e-8
_NEVER = -1e30  # a logarithm whose exponential is 0


class Uncertainty(Balancer):
    """Uncertainty weighting: weights exp(-s) / 2, where s is trained to minimise exp(-s) L / 2 + s / 2.

    Kendall et al. 2018 (arXiv 1705.07115), equation 7, with s the log-variance, initially 0 as in
    yaringal/multi-task-learning-example. s is trained by Adam at its own learning rate, not the network's.
    """

    def init_state(self) -> None:
        """See `Balancer`."""
        self._s = self.add_state("s", len(self.tasks))
        self._adam = Adam(self, self._s, self.column("learning_rate"))

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`."""
        assert inputs.losses is not None
        weights = self._weights()
        self._adam.step(self._gradient(inputs.losses, weights), inputs.losses != 0)
        return weights

    def _weights(self) -> Tensor:
        return torch.exp(-self._s).mul_(0.5)

    def _gradient(self, losses: Tensor, weights: Tensor) -> Tensor:
        return 0.5 - weights * losses


class IMTLL(Uncertainty):
    """IMTL-L: weights exp(s), where s is trained to minimise exp(s) L - s (Liu et al. 2021, ICLR, equation 6).

    Algorithm 1 uses gradient descent at the network's learning rate; here it is Adam at its own.
    """

    def _weights(self) -> Tensor:
        return torch.exp(self._s)

    def _gradient(self, losses: Tensor, weights: Tensor) -> Tensor:
        return weights * losses - 1.0


class DWA(Balancer):
    """Dynamic weight average: T times the softmax of the ratios of each loss's means over the last two epochs.

    Liu et al. 2019 (arXiv 1803.10704), equation 7. The first two epochs have equal weights, as in the authors'
    im2im_pred/utils.py (lorenmt/mtan).
    """

    def init_state(self) -> None:
        """See `Balancer`."""
        names = ("sums", "counts", "newer", "older")
        self._sums, self._counts, self._newer, self._older = (self.add_state(name, len(self.tasks)) for name in names)
        self._temperature = self.column("temperature")
        self._chosen: Tensor | None = None

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`."""
        assert inputs.losses is not None
        if inputs.step == 0 and inputs.epoch:
            self._older.copy_(self._newer)
            self._newer.copy_(self._sums / self._counts.clamp_min(1.0))
            self._sums.zero_()
            self._counts.zero_()
        if inputs.step == 0 or self._chosen is None:
            ratios = (
                torch.where(self._older > 0, self._newer / self._older, 1.0) if inputs.epoch > 1 else self._newer * 0
            )
            self._chosen = len(self.tasks) * torch.softmax(ratios / self._temperature, 1)
        self._sums.add_(inputs.losses)
        self._counts.add_(inputs.losses != 0)
        return self._chosen


class GLS(Balancer):
    """Geometric loss strategy: the gradient of the losses' geometric mean (Chennupati et al. 2019; no public code)."""

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`."""
        assert inputs.losses is not None
        present = inputs.losses != 0
        count = present.sum(1, keepdim=True).clamp_min(1)
        logs = torch.where(present, inputs.losses, 1.0).log()
        mean = torch.exp(logs.sum(1, keepdim=True) / count)
        return torch.where(present, mean / (count * inputs.losses), 0.0)


class FAMO(Balancer):
    """FAMO: weights z_i / L_i over their sum, z = softmax(w), so that all losses decrease at a similar rate.

    Liu et al. 2023 (arXiv 2306.03792), algorithm 1. After the update w is trained on the decrease of each log-loss, by
    Adam as in the authors' famo.py (Cranial-XIX/FAMO), which also clips the gradient.
    """

    def init_state(self) -> None:
        """See `Balancer`."""
        self._w = self.add_state("w", len(self.tasks))
        self._adam = Adam(self, self._w, self.column("learning_rate"), self.column("decay"))

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`; they sum to 1."""
        assert inputs.losses is not None
        self._before = inputs.losses
        weights = torch.where(inputs.losses != 0, self._shares() / (inputs.losses + _TINY), 0.0)
        return weights / weights.sum(1, keepdim=True).clamp_min(_TINY)

    def after_step(self, losses: Tensor) -> None:
        """See `Balancer`."""
        present = self._before != 0
        decrease = torch.where(present, torch.log(self._before + _TINY) - torch.log(losses + _TINY), 0.0)
        z = self._shares()
        self._adam.step(z * (decrease - (z * decrease).sum(1, keepdim=True)), present)

    def _shares(self) -> Tensor:
        """The softmax z over the tasks that are present in the batch."""
        return torch.softmax(self._w.masked_fill(self._before == 0, _NEVER), 1)


class STCH(Balancer):
    """Smooth Tchebycheff: the gradient of T mu log sum exp(x_i / mu), x_i = p_i log(L_i / n_i), given weights p.

    Lin et al. 2024 (arXiv 2402.19078), as in the authors' STCH_MTL/LibMTL/weighting/STCH.py. The warm-up epochs
    minimise the sum of log L_i; the mean losses of the last of them are the nadir n, which brings losses of different
    scale to the same size. The authors' code has no weights, which is p = 1; here p sums to T. If `nadir` is given,
    nothing is estimated, and the warm-up is an epoch shorter.
    """

    def init_state(self) -> None:
        """See `Balancer`."""
        self._preferred = given_weights(self.settings, self.tasks, self.device)
        self._mu, self._warmup = self.column("mu"), self.value("warmup")
        nadir = self.value("nadir")
        self._estimates = nadir == "warmup"
        self._sums, self._counts = self.add_state("sums", len(self.tasks)), self.add_state("counts", len(self.tasks))
        if not self._estimates:
            self._sums.copy_(torch.tensor([nadir[task] for task in self.tasks]))
            self._counts.fill_(1.0)

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`."""
        assert inputs.losses is not None
        present = inputs.losses != 0
        gradients = torch.where(present, 1 / inputs.losses, 0.0)
        if self._estimates and inputs.epoch == self._warmup:
            self._sums.add_(inputs.losses)
            self._counts.add_(present)
        if inputs.epoch < self._warmup + self._estimates:
            return gradients
        nadir = torch.where(self._counts > 0, self._sums / self._counts, 1.0)
        scaled = self._preferred * torch.log(inputs.losses / nadir) / self._mu
        shares = torch.softmax(scaled.masked_fill(~present, _NEVER), 1)
        return len(self.tasks) * self._preferred * shares * gradients


class PBI(Balancer):
    """Penalty-based boundary intersection: the gradient of d1 + theta d2.

    d1 is the length of the losses along the direction given by the weights, d2 their distance from it: Zhang and Li
    2007 (MOEA/D), section II.C, with the ideal point at 0 and a unit direction in both terms. A task whose loss is far
    below that direction can get a negative weight.
    """

    def init_state(self) -> None:
        """See `Balancer`."""
        self._direction, _ = _normalised(given_weights(self.settings, self.tasks, self.device))
        self._theta = self.column("theta")

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`."""
        assert inputs.losses is not None
        direction, _ = _normalised(self._direction * (inputs.losses != 0))
        along = (inputs.losses * direction).sum(1, keepdim=True)
        away = torch.addcmul(inputs.losses, along, direction, value=-1.0)
        # The distance has no gradient where it is 0: there it counts as a millionth of the losses' norm.
        distance = (away.square().sum(1, keepdim=True) + 1e-12 * inputs.losses.square().sum(1, keepdim=True)).sqrt_()
        return torch.addcdiv(direction, self._theta * away, distance)


class COSMOS(Balancer):
    """COSMOS: the gradient of r L - gamma cos(q, L), r the preference sampled for this step, q a direction of losses.

    Ruchte and Grabocka 2021 (arXiv 2103.13392), where q is r itself, as in the authors' methods/cosmos/cosmos.py
    (ruchtem/cosmos). For a task with a larger share the first term then demands a smaller loss and the second a larger
    one, and which term dominates depends on gamma and on the size of the losses. So here q is 1 - r unless `ray` says
    otherwise. A task whose loss is far below the ray can get a negative weight.
    """

    def init_state(self) -> None:
        """See `Balancer`."""
        self._alphas = [it.values()["alpha"] for it in self.settings]
        self._gamma = self.column("gamma")
        self._mirrored = self.value("ray") == "mirrored"

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`."""
        assert inputs.losses is not None
        drawn = [
            stream.preference(len(self.tasks), alpha, inputs.epoch, inputs.step)
            for stream, alpha in zip(inputs.streams, self._alphas, strict=True)
        ]
        present, shares = inputs.losses != 0, torch.tensor(drawn, device=self.device)
        ray, _ = _normalised((1 - shares if self._mirrored else shares) * present)
        losses, norm = _normalised(inputs.losses)
        cosine = (ray * losses).sum(1, keepdim=True)
        return shares * present - self._gamma * (ray - cosine * losses) / norm


def _normalised(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors [K, T], and the norms [K, 1] of the given ones."""
    norm: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_min(_TINY)
    return rows / norm, norm
