"""Optimizers for a stack: torch's own update rules, called once a slot with that slot's settings.

Shapes: K slots, P parameters of a slot.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.rmsprop import rmsprop

from pipeline.config.training import TrainingSettings
from pipeline.model import Pass

STATE = {
    "sgd": ("momentum",),
    "adam": ("mean", "square"),
    "adamw": ("mean", "square"),
    "rmsprop": ("square", "momentum"),
}


class Optimizer:
    """Updates all slots of a stack.

    Args:
        settings: One a slot; all name the same optimizer.
        parameters: [K, P], updated in place.
        grads: [K, P], read at every step.

    Attributes:
        state: Rows [K, P] by name; starting from zeros equals torch's own first step.
    """

    def __init__(self, settings: list[TrainingSettings], parameters: Tensor, grads: Tensor) -> None:
        self.state = {name: torch.zeros_like(parameters) for name in STATE[settings[0].optimizer]}
        self._settings, self._all_grads = settings, grads
        self._parameters, self._grads = parameters.unbind(), grads.unbind()
        self._states = [dict(zip(self.state, rows, strict=True)) for rows in zip(*self.state.values(), strict=True)]
        self.resume(0)

    def resume(self, steps: int) -> None:
        """Continue as after so many updates."""
        self._done = torch.tensor(float(steps), device=self._parameters[0].device)

    def begin(self, schedule_factors: Sequence[float], plateau_factors: Sequence[float]) -> None:
        """Set the learning rates of an epoch.

        Args:
            schedule_factors: The schedule's factor in each step of the epoch.
            plateau_factors: A factor a slot.
        """
        self._schedule_factors, self._plateau_factors = schedule_factors, plateau_factors

    def step(self, this: Pass) -> None:
        """Clip every slot's gradient and update its parameters at its rate in this step of the epoch."""
        clip(self._all_grads, self._settings)
        scheduled = self._schedule_factors[this.step]
        factors = zip(self._settings, self._plateau_factors, strict=True)
        self.update([it.learning_rate * scheduled * plateau for it, plateau in factors])

    def update(self, rates: Sequence[float]) -> None:
        """Update each slot at its own rate."""
        self._done.add_(1)
        # Backwards: the last slot's gradient was written last and is still in the processor's cache.
        for k in reversed(range(len(rates))):
            _update(self._settings[k], self._parameters[k], self._grads[k], self._states[k], self._done, rates[k])


def _update(
    settings: TrainingSettings, parameters: Tensor, grad: Tensor, state: dict[str, Tensor], done: Tensor, rate: float
) -> None:
    # The kernels of torch.optim's `fused=True`, called as it calls them: its own overhead is five times the call.
    if settings.optimizer == "sgd":
        torch._fused_sgd_(
            [parameters], [grad], [state["momentum"]] if settings.momentum else [], weight_decay=settings.weight_decay,
            momentum=settings.momentum, lr=rate, dampening=0.0, nesterov=settings.nesterov, maximize=False,
            is_first_step=False,
        )  # fmt: skip
    elif settings.optimizer == "rmsprop":  # increments `done` itself; nothing else reads it
        rmsprop(
            [parameters], [grad], [state["square"]], [], [state["momentum"]] if settings.momentum else [], [done],
            foreach=False, lr=rate, alpha=settings.beta2, eps=settings.epsilon, weight_decay=settings.weight_decay,
            momentum=settings.momentum, centered=False,
        )  # fmt: skip
    else:
        fused = torch._fused_adamw_ if settings.optimizer == "adamw" else torch._fused_adam_
        fused(
            [parameters], [grad], [state["mean"]], [state["square"]], [], [done], amsgrad=False, lr=rate,
            beta1=settings.beta1, beta2=settings.beta2, weight_decay=settings.weight_decay, eps=settings.epsilon,
            maximize=False,
        )  # fmt: skip


def clip(grads: Tensor, settings: list[TrainingSettings]) -> None:
    """Scale each slot's gradient down to its largest allowed norm (Pascanu et al. 2013)."""
    for k, it in enumerate(settings):
        if it.clip_norm is not None:
            norm = torch.linalg.vector_norm(grads[k])
            grads[k].mul_((it.clip_norm / (norm + 1e-6)).clamp_max(1.0))
