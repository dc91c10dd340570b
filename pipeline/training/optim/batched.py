"""Optimizers for a stack whose calls are batched: each call updates all slots, each slot by its own settings.

The rules are those of `pipeline.training.optim.per_slot`. Rates and the number of updates done lie on the device, so a
step needs nothing from the host and can be recorded once and replayed.

Shapes: K slots, P parameters of a slot.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.config.training import TrainingSettings
from pipeline.model import Pass
from pipeline.training.optim.per_slot import STATE


class BatchedOptimizer:
    """Updates all slots of a stack at once.

    Args:
        settings: One a slot; all name the same optimizer.
        parameters: [K, P], updated in place.
        grads: [K, P], read at every step and written over.

    Attributes:
        state: Rows [K, P] by name; starting from zeros equals torch's own first step.
    """

    def __init__(self, settings: list[TrainingSettings], parameters: Tensor, grads: Tensor) -> None:
        self.state = {name: torch.zeros_like(parameters) for name in STATE[settings[0].optimizer]}
        self._parameters, self._grads = parameters, grads
        self._done = torch.zeros(1, 1, dtype=torch.float64, device=parameters.device)
        self._schedule_factors = torch.empty(0, device=parameters.device)
        self._rates = torch.empty(len(settings), 1, device=parameters.device)
        self._update = {"sgd": self._sgd, "rmsprop": self._rmsprop}.get(settings[0].optimizer, self._adam)
        self._decoupled = settings[0].optimizer == "adamw"
        self._settings = settings
        self._columns = {
            name: torch.tensor([[float(getattr(it, name))] for it in settings], device=parameters.device)
            for name in ("momentum", "nesterov", "epsilon", "weight_decay")
        }
        # 1 - beta in float64: of 0.999 a float32 leaves four digits.
        self._new1, self._new2 = (
            torch.tensor([[1 - getattr(it, name)] for it in settings], dtype=torch.float64, device=parameters.device)
            for name in ("beta1", "beta2")
        )
        largest = [[float("inf") if it.clip_norm is None else it.clip_norm] for it in settings]
        self._largest = torch.tensor(largest, device=parameters.device)

    def resume(self, steps: int) -> None:
        """Continue as after so many updates."""
        self._done.fill_(steps)

    def begin(self, schedule_factors: Sequence[float], plateau_factors: Sequence[float]) -> None:
        """Set the learning rates of an epoch, see `Optimizer.begin`."""
        rates = [it.learning_rate * plateau for it, plateau in zip(self._settings, plateau_factors, strict=True)]
        if len(schedule_factors) != len(self._schedule_factors):
            self._schedule_factors = self._schedule_factors.new_empty(len(schedule_factors))
        self._rates.copy_(torch.tensor(rates).view(-1, 1))
        self._schedule_factors.copy_(torch.tensor(schedule_factors))

    def step(self, this: Pass) -> None:
        """Clip every slot's gradient and update its parameters at its rate in the clock's step of the epoch."""
        assert this.clock is not None
        self._done.add_(1)
        if self._any("clip_norm"):
            norms = torch.linalg.vector_norm(self._grads, dim=1, keepdim=True)
            self._grads.mul_((self._largest / (norms + 1e-6)).clamp_max(1.0))
        rates = self._rates * self._schedule_factors.index_select(0, this.clock)  # [K, 1]
        if self._any("weight_decay"):
            decay = self._columns["weight_decay"]
            if self._decoupled:
                self._parameters.mul_(1 - rates * decay)
            else:
                self._grads.addcmul_(self._parameters, decay)
        self._update(rates)

    def _adam(self, rates: Tensor) -> None:
        """Kingma & Ba 2015, algorithm 1; decoupled, Loshchilov & Hutter 2019."""
        grads = self._grads
        first, second = ((1 - (1 - new) ** self._done).float() for new in (self._new1, self._new2))
        self.state["mean"].lerp_(grads, self._new1.float())
        self.state["square"].lerp_(grads.mul_(grads), self._new2.float())
        torch.sqrt(self.state["square"], out=grads)
        torch.addcmul(self._columns["epsilon"], grads, second.rsqrt(), out=grads)
        torch.div(self.state["mean"], grads, out=grads)
        self._parameters.addcmul_(grads, -rates / first)

    def _sgd(self, rates: Tensor) -> None:
        grads = self._grads
        if self._any("momentum"):
            momentum, held = self._columns["momentum"], self.state["momentum"]
            held.mul_(momentum).add_(grads)
            if self._any("nesterov"):
                grads.addcmul_(held, momentum)
                torch.where(self._columns["nesterov"] > 0, grads, held, out=grads)
            else:
                grads = held
        self._parameters.addcmul_(grads, -rates)

    def _rmsprop(self, rates: Tensor) -> None:
        """Tieleman & Hinton 2012."""
        square, grads = self.state["square"], self._grads
        square.lerp_(grads * grads, self._new2.float())
        grads.div_(square.sqrt().add_(self._columns["epsilon"]))
        if self._any("momentum"):
            grads = self.state["momentum"].mul_(self._columns["momentum"]).add_(grads)
        self._parameters.addcmul_(grads, -rates)

    def _any(self, setting: str) -> bool:
        """Whether any slot has this setting."""
        return any(getattr(it, setting) for it in self._settings)
