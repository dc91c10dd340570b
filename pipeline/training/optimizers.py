"""Optimizers for a stack: torch's own update rules, called once a slot with that slot's settings."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from pipeline.config.training import TrainingSettings

_STATE = {
    "sgd": ("momentum",),
    "adam": ("mean", "square"),
    "adamw": ("mean", "square"),
    "rmsprop": ("square", "momentum"),
}


@dataclass
class Optimizer:
    """Updates all slots.

    Attributes:
        settings: One a slot; all name the same optimizer.
        state: Rows [K, P] by name; starting from zeros equals torch's own first step.
        steps: Updates done so far, one number a slot.
    """

    settings: list[TrainingSettings]
    state: dict[str, Tensor]
    steps: list[int] = field(default_factory=list)

    @classmethod
    def fresh(cls, settings: list[TrainingSettings], values: Tensor) -> "Optimizer":
        """An optimizer before its first step, for values [K, P]."""
        state = {name: torch.zeros_like(values) for name in _STATE[settings[0].optimizer]}
        return cls(settings, state, [0] * len(settings))

    def step(self, values: Tensor, grads: Tensor, rates: list[float]) -> None:
        """Update values [K, P] by gradients [K, P], each slot at its own rate."""
        for k, settings in enumerate(self.settings):
            rows = {name: rows[k] for name, rows in self.state.items()}
            done = torch.tensor(float(self.steps[k]))
            _update(settings, values[k], grads[k], rows, done, rates[k])
            self.steps[k] += 1

    def keep(self, slots: list[int]) -> None:
        """Go on with these slots only."""
        self.settings = [self.settings[k] for k in slots]
        self.steps = [self.steps[k] for k in slots]
        self.state = {name: rows[slots] for name, rows in self.state.items()}


def _update(
    settings: TrainingSettings, value: Tensor, grad: Tensor, state: dict[str, Tensor], done: Tensor, rate: float
) -> None:
    if settings.optimizer == "sgd":
        sgd(
            [value], [grad], [state["momentum"] if settings.momentum else None], fused=value.device.type == "cpu",
            weight_decay=settings.weight_decay, momentum=settings.momentum, lr=rate, dampening=0.0,
            nesterov=settings.nesterov, maximize=False,
        )  # fmt: skip
    elif settings.optimizer == "rmsprop":
        rmsprop(
            [value], [grad], [state["square"]], [], [state["momentum"]] if settings.momentum else [], [done],
            foreach=False, lr=rate, alpha=settings.beta2, eps=settings.epsilon, weight_decay=settings.weight_decay,
            momentum=settings.momentum, centered=False,
        )  # fmt: skip
    else:
        adam(
            [value], [grad], [state["mean"]], [state["square"]], [], [done], fused=True, amsgrad=False,
            decoupled_weight_decay=settings.optimizer == "adamw", beta1=settings.beta1, beta2=settings.beta2,
            lr=rate, weight_decay=settings.weight_decay, eps=settings.epsilon, maximize=False,
        )  # fmt: skip


def clip(grads: Tensor, settings: list[TrainingSettings]) -> None:
    """Scale each slot's gradient down to its largest allowed norm (Pascanu et al. 2013)."""
    for k, it in enumerate(settings):
        if it.clip_norm is not None:
            norm = torch.linalg.vector_norm(grads[k])
            grads[k].mul_((it.clip_norm / (norm + 1e-6)).clamp_max(1.0))
