"""TorchJD's `mtl_backward`: the usual network on rows in memory, each task's gradients by autograd."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchjd.aggregation import Aggregator
from torchjd.autojac import jac_to_grad, mtl_backward

from benchmarks.rivals.usual import BATCH


def step_of(tasks: int, width: int, classes: int, aggregator: Aggregator | None) -> Callable[[], None]:
    """A training step of a trunk with so many heads on the same rows of 784 values, with fused Adam.

    Args:
        tasks: Heads.
        width: Of the trunk.
        classes: Of each task.
        aggregator: Of the tasks' gradients; None adds them up in one plain backward pass.
    """
    trunk, heads = _network(tasks, width, classes)
    adam = torch.optim.Adam([*trunk.parameters(), *heads.parameters()], fused=True)
    rows, labels = torch.rand(16 * BATCH, 784), torch.randint(classes, (16 * BATCH, tasks))
    turn = iter(range(10**9))

    def step() -> None:
        at = slice((number := next(turn) % 16) * BATCH, (number + 1) * BATCH)
        features: Tensor = trunk(rows[at])
        losses = [cross_entropy(head(features), labels[at, task]) for task, head in enumerate(heads)]
        adam.zero_grad()
        if aggregator is None:
            torch.stack(losses).sum().backward()
        else:
            mtl_backward(losses, features=features)
            jac_to_grad(trunk.parameters(), aggregator)
        adam.step()

    return step


def jacobian_of(tasks: int, width: int, classes: int) -> Callable[[], None]:
    """What `mtl_backward` does after a forward pass: the heads' gradients, and the Jacobian of the trunk.

    For arguments see `step_of`.
    """
    trunk, heads = _network(tasks, width, classes)
    rows, labels = torch.rand(BATCH, 784), torch.randint(classes, (BATCH, tasks))
    features: Tensor = trunk(rows)
    losses = [cross_entropy(head(features), labels[:, task]) for task, head in enumerate(heads)]
    parameters = [*trunk.parameters(), *heads.parameters()]

    def backward() -> None:
        for parameter in parameters:
            parameter.grad = None
            if hasattr(parameter, "jac"):
                del parameter.jac
        mtl_backward(losses, features=features, retain_graph=True)

    return backward


def _network(tasks: int, width: int, classes: int) -> tuple[nn.Sequential, nn.ModuleList]:
    """Trunk and heads."""
    trunk = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Dropout(0.5))
    return trunk, nn.ModuleList(nn.Linear(width, classes) for _ in range(tasks))
