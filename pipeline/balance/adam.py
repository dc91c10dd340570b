"""Adam on the few values that a balancer trains, at a rate for every slot."""

import torch
from torch import Tensor

from pipeline.balance.base import Balancer

_BETAS, _EPSILON = (0.9, 0.999), 1e-8
_NOT_YET = 1e-30  # 0 over it is 0; the first step swallows it


class Adam:
    """Kingma and Ba 2015 (arXiv 1412.6980), written for all slots at once: torch's own has one rate for a tensor.

    Beside each moment runs what it would be if every slope had been 1, which is what the paper divides it by. So both
    moments and both divisors are one lerp: for so few values a step costs what its calls cost. A value counts its own
    steps, so that a task that a step does not show is as if that step had not been.

    Args:
        owner: Keeps the moments in its state.
        values: [K, T], updated in place.
        rate: [K, 1].
        decay: L2 penalty, [K, 1].
    """

    def __init__(self, owner: Balancer, values: Tensor, rate: Tensor, decay: Tensor | None = None) -> None:
        self._values, self._rate, self._decay = values, rate, decay
        self._moments = owner.rows("adam", 2, 2, values.size(1))  # [K, moment, itself and its divisor, T]
        self._moments[:, :, 1] = _NOT_YET
        self._of, self._over = self._moments.unbind(2)
        self._news = torch.ones_like(self._moments)
        self._first, self._second = self._news[:, :, 0].unbind(1)
        self._paces = 1 - torch.tensor(_BETAS, device=values.device).view(2, 1, 1)

    def step(self, slopes: Tensor, there: Tensor) -> None:
        """Descend by slopes [K, T], where tasks are there, bool [K, T]."""
        if self._decay is not None:
            slopes = torch.addcmul(slopes, self._decay, self._values)
        self._first.copy_(slopes)
        torch.mul(slopes, slopes, out=self._second)
        self._moments.lerp_(self._news, self._paces * there[:, None, None])
        mean, square = (self._of / self._over).unbind(1)
        step = mean.mul_(self._rate).div_(square.sqrt_().add_(_EPSILON))
        self._values.sub_(step.mul_(there))
