"""Adam on the few values that a balancer trains, at a rate for every slot."""

from torch import Tensor

from pipeline.balance.base import Balancer

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Kingma and Ba 2015 (arXiv 1412.6980), written for all slots at once: torch's own has one rate for a tensor.

    A value counts its own steps, so that a task that a step does not show is as if that step had not been.

    Args:
        owner: Keeps the moments in its state.
        values: [K, T], updated in place.
        rate: [K, 1].
        decay: L2 penalty, [K, 1].
    """

    def __init__(self, owner: Balancer, values: Tensor, rate: Tensor, decay: Tensor | None = None) -> None:
        self._values, self._rate, self._decay = values, rate, decay
        names = ("adam.mean", "adam.square", "adam.steps")
        self._mean, self._square, self._steps = (owner.rows(name, values.size(1)) for name in names)

    def step(self, slopes: Tensor, there: Tensor) -> None:
        """Descend by slopes [K, T], where tasks are there, bool [K, T]."""
        if self._decay is not None:
            slopes = slopes + self._decay * self._values
        mask = there.to(slopes.dtype)
        self._mean.lerp_(slopes, mask * (1 - _BETA1))
        self._square.lerp_(slopes * slopes, mask * (1 - _BETA2))
        self._steps.add_(mask)
        steps = self._steps.clamp_min(1.0)
        spread = (self._square / (1 - _BETA2**steps)).sqrt_().add_(_EPSILON)
        self._values.sub_(mask * self._rate * self._mean / ((1 - _BETA1**steps) * spread))
