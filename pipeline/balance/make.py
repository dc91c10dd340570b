"""From settings to the balancer of a stack."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.balance.base import Balancer, Directional, Seen
from pipeline.balance.fixed import Fixed
from pipeline.balance.from_gradients import Aggregated, SlotBySlot
from pipeline.config.balancing import Balancing, Weighing
from pipeline.errors import UserError
from pipeline.plugins import named

_TINY = 1e-12


def balancer(settings: Sequence[Balancing], tasks: Sequence[str], device: str = "cpu", shared: int = 0) -> Balancer:
    """The balancer of a stack; of a single task there is nothing to balance.

    Args:
        settings: One a slot; all name the same method.
        tasks: Names of the T tasks.
        device: Where the weights lie.
        shared: P, the values that the tasks share.

    Raises:
        UserError: A method of one's own is not there, or reads gradients where nothing is shared.
    """
    first = settings[0]
    if len(tasks) == 1:
        return Fixed([Balancing.of("fixed")] * len(settings), tasks, device)
    implementation = named(first.own_path or first.implementation)
    if implementation is Fixed:
        return Fixed(settings, tasks, device)
    if isinstance(implementation, type) and issubclass(implementation, Directional):
        return implementation(settings, tasks, device, shared)
    if not first.weighs:
        return Aggregated(settings, tasks, device, implementation)
    if isinstance(implementation, type) and issubclass(implementation, Balancer):
        if first.own_path and first.of_gradients and not shared:
            raise UserError(
                f"balancing.method '{first.method}' reads gradients on layers that the tasks share: none are"
            )
        return Steadied(implementation(settings, tasks, device, shared))
    return Steadied(SlotBySlot(settings, tasks, device, implementation))


class Steadied(Balancer):
    """A method's weights, smoothed and scaled as its settings say, and kept from one choice to the next.

    Args:
        method: It.
    """

    def __init__(self, method: Balancer) -> None:
        super().__init__(method.settings, method.tasks, method.device)
        self._method = method
        self.state = {f"method.{name}": rows for name, rows in method.state.items()}
        own = [it for it in self.settings if isinstance(it, Weighing)]
        self._smoothing = torch.tensor([[it.smoothing] for it in own], device=self.device)
        self._smooth = any(it.smoothing for it in own)
        self._interval, self._normalise = own[0].interval, own[0].normalise
        self._last, self._begun = self.rows("last", len(self.tasks)), self.rows("begun", 1)

    def due(self, step: int) -> bool:
        """See `Balancer`: every so many steps."""
        return step % self._interval == 0

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`."""
        if not self.due(seen.step):
            return self._scaled(self._last)
        weights = self._method.weights(seen)
        self.fallbacks = self._method.fallbacks
        if self._smooth:
            share = self._smoothing * self._begun
            weights = share * self._last + (1 - share) * weights
            self._begun.fill_(1.0)
        if self._smooth or self._interval > 1:
            self._last.copy_(weights)
        return self._scaled(weights)

    def after(self, losses: Tensor) -> None:
        """See `Balancer`."""
        self._method.after(losses)

    def _scaled(self, weights: Tensor) -> Tensor:
        """Weights whose absolute values sum to T, where that is wanted and there are any."""
        if not self._normalise:
            return weights.clone()
        total = torch.linalg.vector_norm(weights, 1.0, 1, keepdim=True)
        return weights.mul(len(self.tasks)).div_(total.clamp_min_(_TINY))
