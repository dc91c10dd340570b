import pytest
import torch

from pipeline.config.training import TrainingSettings
from pipeline.model import Pass
from pipeline.training.optim.batched import BatchedOptimizer
from pipeline.training.optim.per_slot import Optimizer

SETTINGS = {
    "sgd": [{}, {"weight_decay": 0.1}, {"clip_norm": 0.5}],
    "momentum": [{"momentum": 0.9}, {"momentum": 0.0}, {"momentum": 0.5, "weight_decay": 0.1}],
    "nesterov": [{"momentum": 0.9, "nesterov": True}, {"momentum": 0.9}, {"momentum": 0.5, "nesterov": True}],
    "adam": [{}, {"beta1": 0.5, "beta2": 0.9, "clip_norm": 1.0}, {"epsilon": 1e-3, "weight_decay": 0.1}],
    "adamw": [{"weight_decay": 0.1}, {"beta1": 0.5}, {"clip_norm": 0.5}],
    "rmsprop": [{}, {"beta2": 0.5, "epsilon": 1e-3}, {"weight_decay": 0.1}],
    "rmsprop with momentum": [{"momentum": 0.5}, {"momentum": 0.0}, {"momentum": 0.9}],
}
RATES, COURSE = [0.1, 0.01, 0.2], [0.1, 0.55, 1.0, 0.7, 0.1]


def at(step: int) -> Pass:
    """The pass of this step."""
    return Pass({}, step=step, clock=torch.tensor([step]))


@pytest.mark.parametrize("done", [0, 100])
@pytest.mark.parametrize("name", SETTINGS)
def test_batched_optimizer_agrees_with_a_call_a_slot(name: str, done: int) -> None:
    kind = {"momentum": "sgd", "nesterov": "sgd", "rmsprop with momentum": "rmsprop"}.get(name, name)
    settings = [
        TrainingSettings(optimizer=kind, learning_rate=rate, **own)
        for rate, own in zip(RATES, SETTINGS[name], strict=True)
    ]
    draws = torch.Generator().manual_seed(0)
    values, grads = torch.randn(3, 64, generator=draws), torch.empty(3, 64)
    all_values, all_grads = values.clone(), grads.clone()
    each, together = Optimizer(settings, values, grads), BatchedOptimizer(settings, all_values, all_grads)
    each.resume(done)
    together.resume(done)
    for optimizer in (each, together):
        optimizer.begin(COURSE, [1.0] * 3)
    for step in range(len(COURSE)):
        for it in (grads, all_grads):
            it.copy_(torch.randn(3, 64, generator=torch.Generator().manual_seed(step)))
        each.step(at(step))
        together.step(at(step))
        torch.testing.assert_close(all_values, values, rtol=2e-5, atol=1e-5)


def test_batched_clipping_leaves_a_slot_without_a_limit_alone() -> None:
    settings = [TrainingSettings(optimizer="sgd", learning_rate=1.0, clip_norm=it) for it in (1.0, None)]
    values, grads = torch.zeros(2, 16), torch.ones(2, 16)
    optimizer = BatchedOptimizer(settings, values, grads)
    optimizer.begin([1.0], [1.0, 1.0])
    optimizer.step(at(0))
    assert values[0].norm().item() == pytest.approx(1.0, rel=1e-5)
    assert torch.equal(values[1], -torch.ones(16))


def test_batched_optimizer_leaves_padding_zero() -> None:
    for kind in ("sgd", "adam", "adamw", "rmsprop"):
        settings = [TrainingSettings(optimizer=kind, learning_rate=0.1, weight_decay=0.1, momentum=0.5)] * 2
        values, grads = torch.zeros(2, 32), torch.zeros(2, 32)
        optimizer = BatchedOptimizer(settings, values, grads)
        optimizer.begin([1.0, 1.0], [1.0, 1.0])
        for step in range(2):
            grads[:, :20], grads[:, 20:] = 0.5, 0.0
            optimizer.step(at(step))
        assert not values[:, 20:].any()
        assert values[:, :20].all()
