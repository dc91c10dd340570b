"""The floor under a training step: its matrix products at the machine's peak, and its fused optimizer.

No program that does all products and updates all weights in torch can be faster; what it adds is overhead.
"""

from collections.abc import Callable

import torch

from benchmarks.common.machine import peak
from benchmarks.common.measuring import Contender, Spent, median_of
from benchmarks.networks import Case

_CALLS = 60


def floor_of(case: Case, models: int, kind: torch.dtype = torch.float32) -> Contender:
    """A contender whose turn measures peak and optimizer anew, and tells the seconds of a model and step."""
    update = fused_update(case.parameters, models, case.experiment.training.optimizer)

    def run() -> Spent:
        products = case.flops / peak(kind)
        updates = median_of(update, _CALLS) / models
        return Spent(products + updates, products + updates, {"products": products, "updates": updates})

    return Contender(floor_name(models, kind), run)


def floor_name(models: int, kind: torch.dtype = torch.float32) -> str:
    """Its line in the table."""
    return f"floor of {models}" + ("" if kind == torch.float32 else f", {str(kind).removeprefix('torch.')}")


def fused_update(parameters: int, models: int, optimizer: str = "adam") -> Callable[[], None]:
    """An update of so many models of so many values each by fused Adam or AdamW."""
    fused = torch._fused_adamw_ if optimizer == "adamw" else torch._fused_adam_
    slots = [tuple(torch.rand(parameters) for _ in range(4)) for _ in range(models)]
    done = torch.zeros(())

    def update() -> None:
        for value, grad, mean, square in slots:
            fused(
                [value], [grad], [mean], [square], [], [done.add_(1)], amsgrad=False, lr=1e-3, beta1=0.9, beta2=0.999,
                weight_decay=0.0, eps=1e-8, maximize=False,
            )  # fmt: skip

    return update
