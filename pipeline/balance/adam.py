"""Adam for the few parameters that a balancer trains, with a learning rate per slot."""

import torch
from torch import Tensor

from pipeline.balance.balancer import Balancer

_BETAS, _EPSILON = (0.9, 0.999), 1e-8
_NO_STEP = 1e-30  # a divisor before the first step: 0 over it is 0, and it is below rounding afterwards


class Adam:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980) for all slots at once; torch's has one learning rate per tensor.

    Beside each moment runs the value that it would have had if every gradient had been 1, which is the paper's bias
    correction. So both moments and both corrections are updated by one lerp: for so few values a step costs what its
    calls cost. Each value counts its own steps: a step without rows of a task leaves that task's moments unchanged.

    Args:
        owner: The balancer whose state holds the moments.
        values: The trained parameters, [K, T], updated in place.
        rate: Learning rates, [K, 1].
        decay: L2 penalties, [K, 1]; None for none.
    """

    def __init__(self, owner: Balancer, values: Tensor, rate: Tensor, decay: Tensor | None = None) -> None:
        self._values, self._rate, self._decay = values, rate, decay
        self._moments = owner.add_state("adam", 2, 2, values.size(1))  # [K, moment, value and divisor, T]
        self._moments[:, :, 1] = _NO_STEP
        self._sums, self._divisors = self._moments.unbind(2)
        self._inputs = torch.ones_like(self._moments)
        self._first, self._second = self._inputs[:, :, 0].unbind(1)
        self._rates_of_change = 1 - torch.tensor(_BETAS, device=values.device).view(2, 1, 1)

    def step(self, gradient: Tensor, present: Tensor) -> None:
        """Take a step along a gradient [K, T], for the tasks that are present in the batch, bool [K, T]."""
        if self._decay is not None:
            gradient = torch.addcmul(gradient, self._decay, self._values)
        self._first.copy_(gradient)
        torch.mul(gradient, gradient, out=self._second)
        self._moments.lerp_(self._inputs, self._rates_of_change * present[:, None, None])
        mean, square = (self._sums / self._divisors).unbind(1)
        step = mean.mul_(self._rate).div_(square.sqrt_().add_(_EPSILON))
        self._values.sub_(step.mul_(present))
