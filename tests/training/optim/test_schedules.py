import math

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from pipeline.config.training import TrainingSettings
from pipeline.training.length import Length
from pipeline.training.optim.schedules import schedule_factor
from pipeline.training.progress import LOSS, note_look
from pipeline.training.slot import SlotState

STEPS = 13


def ours(settings: TrainingSettings, total: int) -> list[float]:
    return [schedule_factor(settings, step, total, STEPS) for step in range(total)]


def by_torch(scheduler: LRScheduler, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


@pytest.mark.parametrize("steps", [STEPS, 2 * STEPS, 7 * STEPS, 101])
def test_cosine_equals_torch(steps: int) -> None:
    wanted = by_torch(CosineAnnealingLR(optimizer(), steps), steps)
    assert ours(TrainingSettings(schedule="cosine"), steps) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("steps", [STEPS, 2 * STEPS, 7 * STEPS, 101])
def test_one_cycle_equals_torch(steps: int) -> None:
    scheduler = OneCycleLR(optimizer(), 1.0, total_steps=steps, cycle_momentum=False)
    wanted = []
    for _ in range(steps):
        wanted.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        if len(wanted) < steps:
            scheduler.step()
    assert ours(TrainingSettings(schedule="one_cycle"), steps) == pytest.approx(wanted, abs=1e-9)


def test_constant_and_plateau_leave_the_rate_alone() -> None:
    for schedule in ("constant", "plateau"):
        assert set(ours(TrainingSettings(schedule=schedule), 2 * STEPS)) == {1.0}


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_warm_up_rises_linearly_and_then_the_schedule_begins(schedule: str) -> None:
    settings = TrainingSettings(schedule=schedule, warmup_epochs=1.5)
    warmup = round(1.5 * STEPS)
    rates = ours(settings, 3 * STEPS)
    assert rates[:warmup] == pytest.approx([(step + 1) / warmup for step in range(warmup)])
    if schedule == "cosine":
        assert rates[warmup] == pytest.approx(1.0)
        assert rates[-1] == pytest.approx(0.5 * (1 + math.cos(math.pi * (1 - 1 / (3 * STEPS - warmup)))))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle", "plateau"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("warmup", [0.0, 1.0, 9.0])
def test_even_the_shortest_training_has_rates_between_0_and_1(schedule: str, steps: int, warmup: float) -> None:
    settings = TrainingSettings(schedule=schedule, warmup_epochs=warmup)
    for step in range(steps):
        assert 0.0 < schedule_factor(settings, step, steps, steps) <= 1.0


def test_plateau_lowers_the_rate_when_torch_does() -> None:
    losses = [0.9, 0.5, 0.5, 0.6, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.3, 0.9, 0.9, 0.9, 0.2]
    settings = TrainingSettings(schedule="plateau", plateau_patience=2)
    wanted = ReduceLROnPlateau(optimizer(), mode="min", factor=0.1, patience=2, threshold=0.0)
    state, found, rates = SlotState("a"), [], []
    for value in losses:
        metrics = {"train/t/nll": 1.0, "train/t/accuracy": 0.5, "validation/t/nll": value, "validation/t/accuracy": 0.5}
        note_look(state, metrics, settings, Length(99, range(1, 100)))
        assert state.history[-1][LOSS] == value
        wanted.step(value)
        found.append(state.plateau_factor)
        rates.append(wanted.get_last_lr()[0])
    assert found == pytest.approx(rates)
    assert len(set(found)) > 2
