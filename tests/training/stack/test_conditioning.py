"""Networks that are given a preference: in a stack, after a leave and a resume, and what the preference does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, inputs_file, labels_file
from pipeline.model.layers import Preference
from pipeline.training.assess import assess
from pipeline.training.loop import advance
from pipeline.training.saved import load_network, save
from pipeline.training.slot import Slot
from pipeline.training.stack.network import build_network
from pipeline.training.stack.stack import Stack
from tests.training.made import (
    MIXED,
    SHARINGS,
    TRUNKS,
    assert_same,
    by_name,
    experiment_on,
    few_data,
    random_table,
    seeds,
    trained,
    trials,
)

COSMOS = {"balancing.method": "cosmos", "training.epochs": 2}
OWN = {kind: it for kind, it in TRUNKS.items() if kind != "own"}  # which cannot be given a preference


def check_in_stacks(prepared: Prepared, experiment: Experiment) -> None:
    """Alone, beside others, after one of them left, and resumed, with batches of their own and shared ones."""
    for slots in (seeds(experiment, 5), trials([experiment] * 5)):
        alone = trained(prepared, slots[:1])[slots[0].name]
        assert alone.status == "finished"
        assert_same(trained(prepared, slots[:2])[slots[0].name], alone)
        assert_same(_resumed_after_leaving(prepared, slots), alone)


def _resumed_after_leaving(prepared: Prepared, slots: list[Slot]) -> Any:
    first = Stack(prepared, slots)
    advance(first)
    first.leave([slots[1].name, slots[3].name])
    second = Stack(prepared, [slots[4], slots[0]], by_name(first))
    while second.running:
        advance(second)
    return by_name(second)[slots[0].name]


@pytest.mark.parametrize("trunk", OWN)
def test_every_trunk_is_the_same_in_any_stack(trunk: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path, MIXED, side=14, missing=dict.fromkeys(MIXED, 0.2))
    check_in_stacks(prepared, experiment_on(prepared, COSMOS | {"model.trunk": OWN[trunk]}))


@pytest.mark.parametrize("sharing", SHARINGS)
def test_every_way_of_sharing_is_the_same_in_any_stack(sharing: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path, MIXED)
    check_in_stacks(prepared, experiment_on(prepared, COSMOS | {"model.sharing": SHARINGS[sharing]}))


@pytest.mark.parametrize("trunk", ["mlp", "tabular", "residual"])
def test_tables_are_the_same_in_any_stack(trunk: str, tmp_path: Path) -> None:
    prepared = random_table(tmp_path)
    check_in_stacks(prepared, experiment_on(prepared, COSMOS | {"model.trunk.kind": trunk}))


def test_slots_draw_by_their_own_concentration(tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    own = [
        {"balancing.alpha": alpha, "balancing.gamma": gamma} for alpha, gamma in ((0.2, 0.5), (5.0, 0.5), (0.2, 3.0))
    ]
    slots = trials([experiment_on(prepared, COSMOS | it) for it in own])
    together = trained(prepared, slots)
    for slot in slots:
        assert_same(together[slot.name], trained(prepared, [slot])[slot.name])
    assert len({repr(state.history) for state in together.values()}) == 3


def test_networks_that_are_asked_for_other_preferences_do_not_share_a_stack(tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    one, other = trials(
        [experiment_on(prepared, COSMOS | {"balancing.preference": it}) for it in ([0.6, 0.2, 0.2], [0.2, 0.6, 0.2])]
    )
    assert one.shape() != other.shape()


def test_validation_is_by_the_preference_that_is_set(tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    told = {}
    for name, shares in {"equal": "equal", "alike": [2, 2, 2], "uneven": {"digit": 8, "parity": 1, "other": 1}}.items():
        experiment = experiment_on(prepared, COSMOS | {"balancing.preference": shares})
        state = trained(prepared, seeds(experiment, 1))["seed/0"]
        (saved,) = save(tmp_path, prepared, seeds(experiment, 1), [state])
        network, _ = load_network(saved, prepared, experiment)
        (found,) = assess(network, prepared, prepared.split("validation"))
        told[name] = {key: value for key, value in state.best.items() if key.startswith("validation/")}
        assert {f"validation/{key}": value for key, value in found.items()}.items() <= told[name].items()
    assert told["equal"] == told["alike"] != told["uneven"]


def test_what_is_drawn_changes_nothing_where_all_tasks_are_one(tmp_path: Path) -> None:
    prepared = few_data(tmp_path, {"digit": ("multiclass", "left", 3)})
    network = build_network(prepared, [experiment_on(prepared, COSMOS)])
    assert not [layer for _, layer in network.layers() if isinstance(layer, Preference)]


def opposed(folder: Path) -> Prepared:
    """Two tasks that want opposite answers of a trunk with a single unit."""
    draws = np.random.default_rng(0)
    rows = {"train": 600, "validation": 300}
    for split, count in rows.items():
        inputs = draws.normal(size=(count, 3)).astype(np.float32)
        np.save(folder / inputs_file("rows", split), inputs)
        for task, column in (("one", 0), ("other", 1)):
            np.save(folder / labels_file(task, split), inputs[:, column] / inputs[:, column].std())
    task = PreparedTask("regression", "rows", (), mean=0.0, std=1.0)
    return Prepared(folder, {"rows": PreparedSource((3,), 1.0, rows)}, {"one": task, "other": replace(task)})


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_task_is_better_the_larger_its_share(gamma: float, tmp_path: Path) -> None:
    prepared = opposed(tmp_path)
    found = rmse(prepared, {"balancing.gamma": gamma})
    for task, own in (("one", 0), ("other", 1)):
        small, equal, large = (found[share if own else round(1 - share, 1)][task] for share in (0.1, 0.5, 0.9))
        assert large < equal < small
        assert small > 1.5 * large


def test_as_published_a_large_penalty_asks_for_more_loss_where_the_share_is_larger(tmp_path: Path) -> None:
    found = rmse(opposed(tmp_path), {"balancing.gamma": 2.0, "balancing.ray": "preference"})
    assert found[0.1]["one"] > found[0.9]["one"]
    assert found[0.1]["other"] < found[0.9]["other"]


def rmse(prepared: Prepared, values: dict[str, Any]) -> dict[float, dict[str, float]]:
    """Of each task on validation, by the other task's share."""
    own = {"training.epochs": 40, "training.batch_size": 32, "model.trunk.dropout": 0.0, "model.trunk.widths": [16, 1]}
    tanh = {"model.trunk.activation": "tanh"}
    experiment = experiment_on(prepared, COSMOS | own | tanh | values)
    state = trained(prepared, seeds(experiment, 1))["seed/0"]
    (saved,) = save(prepared.folder, prepared, seeds(experiment, 1), [state])
    network, _ = load_network(saved, prepared, experiment)
    (layer,) = [layer for _, layer in network.layers() if isinstance(layer, Preference)]
    found = {}
    for share in (0.1, 0.5, 0.9):
        layer.shares = (round(1 - share, 1), share)
        (told,) = assess(network, prepared, prepared.split("validation"))
        found[share] = {task: told[f"{task}/rmse"] for task in prepared.tasks}
    return found
