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
    trunk = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Dropout(0.5))
    heads = nn.ModuleList(nn.Linear(width, classes) for _ in range(tasks))
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
