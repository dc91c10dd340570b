"""Makes the balancer of a stack from its settings."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.balance.balancer import Balancer, DirectionBalancer, StepInputs
from pipeline.balance.fixed import Fixed
from pipeline.balance.from_gradients import PerSlotAggregation, PerSlotWeighting
from pipeline.config.balancing import Balancing, WeightMethod
from pipeline.errors import UserError
from pipeline.plugins import named, own_class

_TINY = 1e-12


def make_balancer(
    settings: Sequence[Balancing], tasks: Sequence[str], device: str = "cpu", shared: int = 0
) -> Balancer:
    """Make the balancer of a stack; with a single task there is nothing to balance, and the weights are 1.

    >>> import torch
    >>> from pipeline.balance import StepInputs
    >>> balancer = make_balancer([Balancing.of("gls")], ["left", "right"])
    >>> balancer.weights(StepInputs([], epoch=0, step=0, losses=torch.tensor([[1.0, 3.0]])))
    tensor([[1.5000, 0.5000]])

    Args:
        settings: The slots' settings, one per slot; all name the same method.
        tasks: Names of the T tasks.
        device: Device of the weights.
        shared: P, the number of shared parameters.

    Raises:
        UserError: The class of a method of one's own is not found, or it reads gradients and no layer is shared.
    """
    first = settings[0]
    if len(tasks) == 1:
        return Fixed([Balancing.of("fixed")] * len(settings), tasks, device)
    own = first.own_path
    implementation = own_class(own, Balancer) if own else named(first.implementation)
    if implementation is Fixed:
        return Fixed(settings, tasks, device)
    if isinstance(implementation, type) and issubclass(implementation, DirectionBalancer):
        return implementation(settings, tasks, device, shared)
    if not first.returns_weights:
        return PerSlotAggregation(settings, tasks, device, implementation)
    if isinstance(implementation, type) and issubclass(implementation, Balancer):
        if own and first.reads_gradients and not shared:
            raise UserError(
                f"balancing.method '{first.method}' reads gradients on layers that the tasks share: none are"
            )
        return SmoothedWeights(implementation(settings, tasks, device, shared))
    return SmoothedWeights(PerSlotWeighting(settings, tasks, device, implementation))


class SmoothedWeights(Balancer):
    """A method's weights, smoothed and normalised as its settings say, and kept for `every` steps.

    Args:
        method: The balancer whose weights these are.
    """

    def __init__(self, method: Balancer) -> None:
        super().__init__(method.settings, method.tasks, method.device)
        self._method = method
        self.state = {f"method.{name}": rows for name, rows in method.state.items()}
        settings = [it for it in self.settings if isinstance(it, WeightMethod)]
        self._smoothing = torch.tensor([[it.smoothing] for it in settings], device=self.device)
        self._smooth = any(it.smoothing for it in settings)
        self._interval, self._normalise = settings[0].interval, settings[0].normalise
        self._last, self._begun = self.add_state("last", len(self.tasks)), self.add_state("begun", 1)

    def due(self, step: int) -> bool:
        """See `Balancer`."""
        return step % self._interval == 0

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`."""
        if not self.due(inputs.step):
            return self._scaled(self._last)
        weights = self._method.weights(inputs)
        self.fallbacks = self._method.fallbacks
        if self._smooth:
            share = self._smoothing * self._begun
            weights = share * self._last + (1 - share) * weights
            self._begun.fill_(1.0)
        if self._smooth or self._interval > 1:
            self._last.copy_(weights)
        return self._scaled(weights)

    def after_step(self, losses: Tensor) -> None:
        """See `Balancer`."""
        self._method.after_step(losses)

    def _scaled(self, weights: Tensor) -> Tensor:
        """Weights scaled so that their absolute values sum to T, if the method's weights are normalised."""
        if not self._normalise:
            return weights.clone()
        total = torch.linalg.vector_norm(weights, 1.0, 1, keepdim=True)
        return weights.mul(len(self.tasks)).div_(total.clamp_min_(_TINY))
