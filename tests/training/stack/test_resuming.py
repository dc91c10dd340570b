"""A stack can die: stacked anew from its states, in any grouping, it goes on as if unbroken, bit for bit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.prepared import Prepared
from pipeline.training.loop import advance
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack.stack import Stack
from tests.training.made import (
    SHARINGS,
    TRUNKS,
    assert_same,
    by_name,
    experiment_on,
    few_data,
    images_for,
    seeds,
    trained,
    trials,
)

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"training.optimizer": "sgd"},
    "momentum": {"training.optimizer": "sgd", "training.momentum": 0.9},
    "nesterov": {"training.optimizer": "sgd", "training.momentum": 0.9, "training.nesterov": True},
    "adam": {},
    "adamw": {"training.optimizer": "adamw", "training.weight_decay": 0.1},
    "rmsprop": {"training.optimizer": "rmsprop"},
    "rmsprop momentum": {"training.optimizer": "rmsprop", "training.momentum": 0.5},
}

COURSES: dict[str, dict[str, Any]] = {
    "constant": {},
    "cosine": {"training.schedule": "cosine", "training.warmup_epochs": 1.5},
    "one cycle": {"training.schedule": "one_cycle"},
    "plateau": {"training.schedule": "plateau", "training.plateau_patience": 1, "training.epochs": 6},
    "warm-up and clipping": {"training.warmup_epochs": 2.2, "training.clip_norm": 0.05},
    "batch norm": {"model.trunk.norm": "batch_per_source"},
    "early stopping": {"training.early_stopping": {"patience": 2}, "training.epochs": 8},
}


def interrupted(prepared: Prepared, slots: Sequence[Slot], after: int, groups: int) -> dict[str, SlotState]:
    """Train in one stack for some epochs, then in several new ones to the end."""
    states = trained(prepared, slots, after)
    size = -(-len(slots) // groups)
    for start in range(0, len(slots), size):
        stack = Stack(prepared, slots[start : start + size], states)
        while stack.running:
            advance(stack)
        states |= by_name(stack)
    return states


@pytest.mark.parametrize("variant", OPTIMIZERS | COURSES)
def test_resumed_equals_unbroken_in_one_stack_and_in_two(variant: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    experiment = experiment_on(prepared, {"training.epochs": 4} | (OPTIMIZERS | COURSES)[variant])
    slots = seeds(experiment, 4)
    unbroken = trained(prepared, slots)
    for after, groups in ((1, 1), (2, 2)):
        found = interrupted(prepared, slots, after, groups)
        for slot in slots:
            assert_same(found[slot.name], unbroken[slot.name])


@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_trunk_resumes_as_if_unbroken(trunk: str, tmp_path: Path) -> None:
    prepared = images_for(trunk, few_data(tmp_path, side=14))
    slots = seeds(experiment_on(prepared, {"model.trunk": TRUNKS[trunk]}), 3)
    unbroken = trained(prepared, slots)
    found = interrupted(prepared, slots, after=1, groups=2)
    for slot in slots:
        assert_same(found[slot.name], unbroken[slot.name])


@pytest.mark.parametrize("sharing", SHARINGS)
def test_every_way_of_sharing_resumes_as_if_unbroken(sharing: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    slots = seeds(experiment_on(prepared, {"model.sharing": SHARINGS[sharing]}), 3)
    unbroken = trained(prepared, slots)
    found = interrupted(prepared, slots, after=1, groups=2)
    for slot in slots:
        assert_same(found[slot.name], unbroken[slot.name])


def test_trials_of_one_stack_resume_one_by_one(tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    slots = trials([experiment_on(prepared, {"training.learning_rate": rate}) for rate in (0.1, 0.01, 0.001)])
    unbroken = trained(prepared, slots)
    found = interrupted(prepared, slots, after=1, groups=3)
    for slot in slots:
        assert_same(found[slot.name], unbroken[slot.name])


def test_dying_after_every_epoch_changes_nothing(tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    slots = seeds(experiment_on(prepared, {"training.epochs": 4, "training.early_stopping": {"patience": 1}}), 3)
    unbroken = trained(prepared, slots)
    states: dict[str, SlotState] = {}
    while not states or any(state.status == "running" for state in states.values()):
        stack = Stack(prepared, slots, states)
        advance(stack)
        states = by_name(stack)
    for slot in slots:
        assert_same(states[slot.name], unbroken[slot.name])


def test_slots_that_left_stay_as_they_are_and_handed_in_states_are_not_changed(tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    slots = seeds(experiment_on(prepared), 3)
    first = Stack(prepared, slots)
    advance(first)
    first.leave(["seed/1"])
    states = by_name(first)
    second = Stack(prepared, slots, states)
    assert second.running == ["seed/0", "seed/2"]
    while second.running:
        advance(second)
    assert_same(by_name(second)["seed/1"], states["seed/1"])
    assert {name: state.looks for name, state in states.items()} == dict.fromkeys(states, 1)
