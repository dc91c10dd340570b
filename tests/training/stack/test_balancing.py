"""Every balancing method in a stack: the same alone and beside others, after a leave and after a resume."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from pipeline.config import facts
from pipeline.config.balancing import Balancing
from pipeline.training.loop import advance, train
from pipeline.training.stack.stack import Stack
from tests.training.made import (
    MIXED,
    ODD,
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

GAPS = {"digit": 0.2, "marks": 0.3, "size": 0.3, "parity": 0.2}


@pytest.mark.parametrize("method", Balancing.choices)
@pytest.mark.parametrize("tasks", [ODD, MIXED], ids=["classes", "every kind"])
def test_a_slot_is_the_same_alone_and_beside_others_with_labels_missing(
    method: str, tasks: dict[str, Any], tmp_path: Path
) -> None:
    prepared = few_data(tmp_path, tasks, missing={task: GAPS[task] for task in tasks if task in GAPS})
    experiment = experiment_on(prepared, {"balancing.method": method, "training.epochs": 2})
    for slots in (lambda count: seeds(experiment, count), lambda count: trials([experiment] * count)):
        alone = next(iter(trained(prepared, slots(1)).values()))
        assert alone.status == "finished"
        for count in (2, 5):
            assert_same(trained(prepared, slots(count))[alone.name], alone)


@pytest.mark.parametrize("method", Balancing.choices)
def test_resumed_equals_unbroken_after_a_neighbour_has_left(method: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path, missing={"digit": 0.3})
    slots = seeds(experiment_on(prepared, {"balancing.method": method}), 3)
    unbroken = trained(prepared, slots)
    first = Stack(prepared, slots)
    advance(first)
    first.leave(["seed/1"])
    advance(first)
    states = by_name(first)
    second = Stack(prepared, [slots[2], slots[0]], states)
    while second.running:
        advance(second)
    for name, state in by_name(second).items():
        assert_same(state, unbroken[name])


@pytest.mark.parametrize("method", Balancing.choices)
def test_a_method_changes_what_is_learnt(method: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    plain, own = (
        trained(prepared, seeds(experiment_on(prepared, {"balancing.method": it, "training.epochs": 4}), 1))["seed/0"]
        for it in ("fixed", method)
    )
    same = np.array_equal(plain.arrays["best.values"], own.arrays["best.values"])
    assert same == (method == "fixed")


@pytest.mark.parametrize("method", Balancing.choices)
def test_of_one_task_every_method_is_plain_training(method: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path, {"digit": ODD["digit"]})
    plain, own = (
        trained(prepared, seeds(experiment_on(prepared, {"balancing.method": it}), 1))["seed/0"]
        for it in ("fixed", method)
    )
    assert_same(own, plain)


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("method", ["upgrad", "graddrop", "modo"])
def test_gradients_are_told_apart_in_every_trunk(trunk: str, method: str, tmp_path: Path) -> None:
    prepared = images_for(trunk, few_data(tmp_path, side=14))
    values = {"model.trunk": TRUNKS[trunk], "balancing.method": method, "training.epochs": 2}
    alone = trained(prepared, seeds(experiment_on(prepared, values), 1))["seed/0"]
    assert alone.status == "finished"
    found = trained(prepared, seeds(experiment_on(prepared, values), 3))["seed/0"]
    if trunk == "own":  # lifted over the slots, which holds within a tolerance
        np.testing.assert_allclose(found.arrays["best.values"], alone.arrays["best.values"], rtol=1e-2, atol=1e-3)
    else:
        assert_same(found, alone)


@pytest.mark.parametrize("trunk", ["residual", "lenet"])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_gradients_are_told_apart_however_tasks_share(sharing: str, trunk: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path, side=14)
    values = {"model.sharing": SHARINGS[sharing], "model.trunk": TRUNKS[trunk], "balancing.method": "upgrad"}
    slots = seeds(experiment_on(prepared, values | {"training.epochs": 2}), 3)
    alone = trained(prepared, slots[:1])["seed/0"]
    assert alone.status == "finished"
    stack = Stack(prepared, slots)
    advance(stack)
    stack.leave(["seed/1"])
    advance(stack)
    assert_same(by_name(stack)["seed/0"], alone)


def test_gradients_whose_tasks_all_weigh_one_are_those_of_equal_weights(tmp_path: Path) -> None:
    # PCGrad leaves gradients alone that do not conflict; with one task a source and no shared unit active for both
    # it is the plain sum, whichever way the trunk's gradient was computed.
    prepared = few_data(tmp_path)
    found = {}
    for method, every in (("fixed", 1), ("trimmed_mean", 1)):
        experiment = experiment_on(prepared, {"balancing.method": method, "training.epochs": 1})
        stack = Stack(prepared, seeds(experiment, 1))
        if method == "trimmed_mean":  # made the sum
            stack.gradients._balancer.direction = lambda seen: seen.jacobian.sum(1)  # type: ignore[attr-defined]
        train(stack)
        found[method, every] = stack.network.values.clone()
    torch.testing.assert_close(*found.values(), rtol=1e-3, atol=1e-4)


PER_SLOT = sorted(
    {name for method in Balancing.choices.values() for name in method.settings() if facts(f"balancing.{name}").per_slot}
    - {"weights"}
)


@pytest.mark.parametrize("name", ["smoothing", *PER_SLOT])
def test_trials_that_differ_in_a_setting_share_a_stack_and_do_not_feel_one_another(name: str, tmp_path: Path) -> None:
    having = (it for it, about in Balancing.choices.items() if name in about.settings())
    method = "dwa" if name == "smoothing" else next(having)
    value = 0.5 if name == "smoothing" else Balancing.of(method).values()[name]
    other = max(1, value // 2) if isinstance(value, int) else value * 0.5
    prepared = few_data(tmp_path)
    own = {"balancing.method": method, "training.epochs": 3} | (
        {"balancing.normalise": False} if name == "max_norm" else {}
    )
    slots = trials([experiment_on(prepared, own | {f"balancing.{name}": it}) for it in (value, other)])
    assert slots[0].shape() == slots[1].shape()
    together = trained(prepared, slots)
    for slot in slots:
        assert_same(together[slot.name], trained(prepared, [slot])[slot.name])


def test_trials_of_different_methods_do_not_share_a_stack(tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    one, other = trials([experiment_on(prepared, {"balancing.method": it}) for it in ("fixed", "upgrad")])
    assert one.shape() != other.shape()


@pytest.mark.parametrize(
    "method", ["uncertainty", "famo", "gls", "cosmos", "upgrad", "mgda", "graddrop", "nash_mtl", "modo"]
)
def test_a_slot_whose_weights_are_no_numbers_diverges_alone(method: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    slots = seeds(experiment_on(prepared, {"balancing.method": method}), 2)
    stack = Stack(prepared, slots)
    stack.network.values[1, 0] = torch.nan
    while stack.running:
        advance(stack)
    found = by_name(stack)
    assert found["seed/1"].status == "diverged"
    assert_same(found["seed/0"], trained(prepared, slots[:1])["seed/0"])


def test_history_counts_the_steps_in_which_a_solver_fell_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = few_data(tmp_path)
    slots = seeds(experiment_on(prepared, {"balancing.method": "mgda"}), 2)
    whole = trained(prepared, slots)["seed/1"]
    assert [look["train/all/fallbacks"] for look in whole.history] == [0.0] * 3
    calls = iter(range(1000))

    def every_fourth(*given: Any, **values: Any) -> Any:
        if next(calls) % 4 == 0:
            raise RuntimeError("Maximum number of iterations reached.")
        return nnls(*given, **values)

    monkeypatch.setattr("scipy.optimize.nnls", every_fourth)
    told = [look["train/all/fallbacks"] for look in trained(prepared, slots[:1])["seed/0"].history]
    assert np.mean(told) == pytest.approx(0.25, abs=0.05)


def test_history_tells_weights_norms_and_conflicts(tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    for method, wanted in {
        "fixed": set(),
        "uncertainty": {"weight"},
        "upgrad": {"weight", "gradient_norm", "conflicts"},
    }.items():
        state = trained(prepared, seeds(experiment_on(prepared, {"balancing.method": method}), 2))["seed/1"]
        told = {name: value for name, value in state.history[-1].items() if name.split("/")[-1] in _TOLD}
        assert {name.split("/")[-1] for name in told} == wanted
        if wanted:
            assert sum(told[f"train/{task}/weight"] for task in ODD) == pytest.approx(len(ODD), abs=1e-4)
        if "conflicts" in wanted:
            assert 0.0 <= told["train/all/conflicts"] <= 1.0
            assert all(told[f"train/{task}/gradient_norm"] > 0 for task in ODD)


_TOLD = ("weight", "gradient_norm", "conflicts")
