"""A slot can leave: it is cut out without touching the others, and keeps its own best look."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.prepared import Prepared, inputs_file
from pipeline.training.loop import advance
from pipeline.training.progress import LARGEST
from pipeline.training.slot import Slot
from pipeline.training.stack.stack import Stack
from tests.training.made import (
    MIXED,
    ODD,
    assert_same,
    by_name,
    experiment_on,
    random_data,
    seeds,
    trained,
    trials,
)


def test_pruned_slot_keeps_its_best_look_and_trains_no_further(prepared: Prepared) -> None:
    stack = Stack(prepared, seeds(experiment_on(prepared), 3))
    advance(stack)
    stack.leave(["seed/1", "no such slot"])
    assert stack.running == ["seed/0", "seed/2"]
    assert {state.name for state in advance(stack)} == {"seed/0", "seed/2"}
    left = by_name(stack)["seed/1"]
    assert (left.status, left.looks, left.best_look) == ("pruned", 1, 1)
    assert set(left.arrays) == {"best.values", "best.buffers"}


def test_slots_that_stop_early_leave_the_others_as_they_would_be_alone(prepared: Prepared) -> None:
    patience = {"training.early_stopping": {"patience": 1}, "training.epochs": 12, "model.trunk.norm": "batch"}
    slots = seeds(experiment_on(prepared, patience), 5)
    found = trained(prepared, slots)
    assert len({state.looks for state in found.values()}) > 1
    for slot in slots:
        assert_same(found[slot.name], trained(prepared, [slot])[slot.name])


def test_each_slot_keeps_the_weights_of_its_own_best_look(prepared: Prepared) -> None:
    patience = {"training.early_stopping": {"patience": 2}, "training.epochs": 40, "model.trunk.norm": "batch"}
    stack = Stack(prepared, seeds(experiment_on(prepared, patience), 4))
    weights: dict[tuple[str, int], np.ndarray] = {}
    while stack.running:
        before = stack.running
        advance(stack)
        states = by_name(stack)
        for name in set(before) & set(stack.running):
            weights[name, states[name].looks] = states[name].arrays["values"]
    found = by_name(stack)
    assert len({state.best_look for state in found.values()}) > 1
    for name, state in found.items():
        losses = [look["validation/all/loss"] for look in state.history]
        assert state.best_look == 1 + int(np.argmin(losses))
        assert state.best_loss == min(losses)
        assert state.best is state.history[state.best_look - 1]
        assert state.best_objective == state.best["validation/all/objective"]
        assert np.array_equal(state.arrays["best.values"], weights[name, state.best_look])


def test_slot_with_early_stopping_off_keeps_its_last_epoch(prepared: Prepared) -> None:
    state = trained(prepared, seeds(experiment_on(prepared), 1))["seed/0"]
    assert (state.status, state.looks, state.best_look) == ("finished", 3, 3)


SURE = 1e26
"""A rate whose first update makes some weight larger than 1e20: then or later it overflows, or stays there."""


@pytest.mark.parametrize("rate", [SURE, 1e30, 1e38])
def test_slot_that_diverges_leaves_and_the_others_go_on(rate: float, prepared: Prepared) -> None:
    sgd = {"training.optimizer": "sgd"}
    slots = trials([experiment_on(prepared, sgd | {"training.learning_rate": it}) for it in (0.01, rate, 0.02)])
    found = trained(prepared, slots)
    assert [found[slot.name].status for slot in slots] == ["finished", "diverged", "finished"]
    assert found["trial/1"].looks == 1
    for name, slot in (("trial/0", slots[0]), ("trial/2", slots[2])):
        assert_same(found[name], trained(prepared, [slot])[name])


DIVERGING: dict[str, dict[str, Any]] = {
    **{name: {"training.optimizer": name} for name in ("sgd", "adam", "adamw", "rmsprop")},
    "clipped": {"training.optimizer": "sgd", "training.clip_norm": 1.0},
    "saturated": {"training.optimizer": "sgd", "model.trunk.activation": "tanh"},
    "batch norm": {"training.optimizer": "sgd", "model.trunk.norm": "batch"},
    "one layer": {"training.optimizer": "sgd", "model.trunk.widths": []},
}
"""Ways to have huge weights, some of them with losses that stay finite."""


@pytest.mark.parametrize("variant", DIVERGING)
@pytest.mark.parametrize("tasks", [ODD, MIXED], ids=["classes", "every kind"])
def test_rate_that_is_sure_to_lose_a_network_is_told_diverged(
    variant: str, tasks: dict[str, Any], tmp_path: Path
) -> None:
    prepared = random_data(tmp_path, tasks)
    rates = (0.01, SURE, 1e30, 1e35)
    slots = trials([experiment_on(prepared, DIVERGING[variant] | {"training.learning_rate": it}) for it in rates])
    states = advance(Stack(prepared, slots))
    assert [state.status for state in states] == ["running", *["diverged"] * 3]


@pytest.mark.parametrize(("value", "status"), [(LARGEST, "running"), (-LARGEST, "running"), (-2 * LARGEST, "diverged"),
                                               (1e37, "diverged"), (float("nan"), "diverged")])  # fmt: skip
def test_one_weight_of_an_absurd_size_is_a_divergence_although_no_loss_feels_it(
    value: float, status: str, prepared: Prepared
) -> None:
    # Its column of the inputs is always 0, so it is neither read nor moved.
    for path in prepared.folder.glob(inputs_file("*", "*")):
        rows = np.load(path)
        rows[:, 0] = 0
        np.save(path, rows)
    sgd = {"training.optimizer": "sgd", "training.clip_norm": None, "training.weight_decay": 0.0}
    stack = Stack(prepared, seeds(experiment_on(prepared, sgd), 2))
    named = stack.network.named(stack.network.values, stack.network.buffers)
    moved = {name: it.clone() for name, it in named.items()}
    moved["trunk.0.weight"][0, 0, 0] = value
    stack.network.load(moved)
    states = {state.name: state for state in advance(stack)}
    assert (states["seed/0"].status, states["seed/1"].status) == (status, "running")


def test_slot_that_diverges_late_keeps_the_weights_of_its_best_look(prepared: Prepared) -> None:
    stack = Stack(prepared, seeds(experiment_on(prepared, {"training.epochs": 5}), 2))
    advance(stack)
    good = by_name(stack)["seed/0"].arrays["values"]
    stack.network.values[0, 0] = float("inf")
    advance(stack)
    state = by_name(stack)["seed/0"]
    assert (state.status, state.best_look, stack.running) == ("diverged", 1, ["seed/1"])
    assert np.array_equal(state.arrays["best.values"], good)


def test_slot_whose_very_last_update_is_not_finite_has_diverged(prepared: Prepared) -> None:
    # One step an epoch and no validation: its only loss is the one before the update.
    values = {"training.learning_rate": 1e38, "training.optimizer": "sgd", "training.batch_size": 50,
              "training.epochs": 1, "data.validation": 0.0, "training.momentum": 0.9,
              "training.weight_decay": 1e4}  # fmt: skip
    state = trained(prepared, seeds(experiment_on(prepared, values), 1))["seed/0"]
    assert np.isfinite(state.history[0]["train/digit/nll"])
    assert state.status == "diverged"


def test_states_are_copies_that_further_training_does_not_touch(prepared: Prepared) -> None:
    stack = Stack(prepared, seeds(experiment_on(prepared), 2))
    advance(stack)
    before = by_name(stack)["seed/0"]
    values, epochs = before.arrays["values"].copy(), before.looks
    advance(stack)
    assert before.looks == epochs
    assert np.array_equal(before.arrays["values"], values)


def test_a_stack_that_all_have_left_does_nothing_more(prepared: Prepared) -> None:
    slots: list[Slot] = seeds(experiment_on(prepared), 2)
    stack = Stack(prepared, slots)
    advance(stack)
    stack.leave([slot.name for slot in slots])
    assert stack.running == []
    assert advance(stack) == []
    assert {state.status for state in stack.states()} == {"pruned"}
