"""Balancers on given losses and gradients."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.balance import Balancer, StepInputs, make_balancer
from pipeline.config.balancing import Balancing
from pipeline.draws import Stream

LOSSES = [name for name, it in Balancing.choices.items() if "losses" in it.needs and not it.reads_gradients]
GRAMIAN = [name for name, it in Balancing.choices.items() if it.needs == ("gramian",)]
CROSSED = [name for name, it in Balancing.choices.items() if "cross_gramian" in it.needs]
WEIGHING = [name for name, it in Balancing.choices.items() if it.returns_weights]


def settings(method: str, slots: int = 1, **values: Any) -> list[Balancing]:
    """The same for every slot, as the paper scales weights."""
    scale = {"normalise": False} if Balancing.choices[method].returns_weights else {}
    return [Balancing.of({"method": method} | scale | values)] * slots


def made(method: str, tasks: int, slots: int = 1, shared: int = 0, **values: Any) -> Balancer:
    return make_balancer(settings(method, slots, **values), names(tasks), shared=shared)


def names(tasks: int) -> list[str]:
    return [f"task{number}" for number in range(tasks)]


def seen(
    losses: Sequence[Sequence[float]] | Tensor | None = None,
    jacobian: Tensor | None = None,
    step: int = 0,
    epoch: int = 0,
    streams: Sequence[str] | None = None,
) -> StepInputs:
    """A step of losses [K, T] and gradients [K, T, P]."""
    known = torch.as_tensor(losses) if losses is not None else None
    given = known if known is not None else jacobian
    slots = len(given) if given is not None else 1
    own = streams or [f"seed/{k}" for k in range(slots)]
    # Each slot's from a copy of its own: a batched product of other size or alignment may round otherwise.
    gramian = torch.stack([it.clone() @ it.mT.clone() for it in jacobian]) if jacobian is not None else None
    return StepInputs([Stream(0, name) for name in own], epoch, step, known, gramian, jacobian)


def gradients(tasks: int, values: int = 20, slots: int = 1, seed: int = 0, scale: Mapping[int, float] = {}) -> Tensor:
    """Random ones, [K, T, P], which conflict here and there; some tasks' scaled."""
    draws = torch.Generator().manual_seed(seed)
    found = torch.randn(slots, tasks, values, generator=draws)
    for task, factor in scale.items():
        found[:, task] *= factor
    return found
