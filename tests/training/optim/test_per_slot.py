import pytest
import torch
from torch import nn

from pipeline.config.training import TrainingSettings
from pipeline.training.optim.per_slot import Optimizer, clip

OPTIMIZERS = ["sgd", "adam", "adamw", "rmsprop"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_slot_moves_at_its_own_rate(name: str) -> None:
    values, grads = torch.zeros(3, 16), torch.ones(3, 16)
    optimizer = Optimizer([TrainingSettings(optimizer=name)] * 3, values, grads)
    optimizer.update([0.0, 0.1, 0.2])
    assert not values[0].any()
    torch.testing.assert_close(values[2], 2 * values[1])
    assert (values[1] < 0).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_padding_without_gradient_stays_zero(name: str) -> None:
    values, grads = torch.zeros(1, 32), torch.zeros(1, 32)
    values[:, :20], grads[:, :20] = 1.0, 0.5
    settings = TrainingSettings(optimizer=name, momentum=0.5 if name in ("sgd", "rmsprop") else 0.0, weight_decay=0.1)
    optimizer = Optimizer([settings], values, grads)
    for _ in range(3):
        optimizer.update([0.1])
    assert not values[:, 20:].any()


def test_resumed_optimizer_counts_on() -> None:
    # Adam's bias correction depends on the number of updates done.
    steps = []
    for done in (0, 100):
        values, grads = torch.zeros(1, 16), torch.ones(1, 16)
        optimizer = Optimizer([TrainingSettings(beta1=0.5)], values, grads)
        optimizer.resume(done)
        optimizer.update([0.1])
        steps.append(values[0, 0].item())
    assert steps[0] == pytest.approx(-0.1)
    assert steps[1] == pytest.approx(-0.1 * 0.5 / (0.001 / (1 - 0.999**101)) ** 0.5, rel=1e-4)


@pytest.mark.parametrize("largest", [0.5, 100.0])
def test_clipping_equals_torch_in_every_slot(largest: float) -> None:
    draws = torch.Generator().manual_seed(0)
    grads = torch.randn(3, 48, generator=draws) * torch.tensor([[0.1], [1.0], [10.0]])
    wanted = []
    for row in grads:
        parameter = nn.Parameter(torch.zeros(48))
        parameter.grad = row.clone()
        nn.utils.clip_grad_norm_([parameter], largest)
        wanted.append(parameter.grad)
    clip(grads, [TrainingSettings(clip_norm=largest)] * 3)
    torch.testing.assert_close(grads, torch.stack(wanted))


def test_clipping_is_per_slot_and_null_leaves_alone() -> None:
    grads = torch.ones(2, 16)
    clip(grads, [TrainingSettings(clip_norm=1.0), TrainingSettings(clip_norm=None)])
    assert grads[0].norm().item() == pytest.approx(1.0, rel=1e-5)
    assert torch.equal(grads[1], torch.ones(16))
