"""A slot does not feel its neighbours: its weights are the same bit for bit, whoever trains beside it."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import load, with_values
from pipeline.config.sharing import Sharing
from pipeline.data.prepared import Prepared
from pipeline.training.loop import advance
from pipeline.training.slot import SlotState, seed_slots
from pipeline.training.stack.stack import Stack
from tests.conftest import REPOSITORY
from tests.training.made import (
    MIXED,
    SHARINGS,
    TRUNKS,
    assert_same,
    by_name,
    experiment_on,
    few_data,
    images_for,
    random_data,
    random_table,
    seeds,
    trained,
    trials,
)

VARIANTS: dict[str, dict[str, Any]] = {
    "adam": {},
    "sgd": {"training.optimizer": "sgd"},
    "nesterov": {"training.optimizer": "sgd", "training.momentum": 0.9, "training.nesterov": True},
    "adamw": {"training.optimizer": "adamw", "training.weight_decay": 0.1},
    "rmsprop": {"training.optimizer": "rmsprop", "training.momentum": 0.5},
    "batch norm": {"model.trunk.norm": "batch"},
    "batch norm per source": {"model.trunk.norm": "batch_per_source"},
    "layer norm": {"model.trunk.norm": "layer"},
    "gelu": {"model.trunk.activation": "gelu"},
    "silu": {"model.trunk.activation": "silu", "model.trunk.widths": [9, 1, 13]},
    "tanh": {"model.trunk.activation": "tanh", "training.clip_norm": 0.1},
    "separate": {"model.sharing": "separate"},
    **{kind: {"model.sharing": it} for kind, it in SHARINGS.items()},
    "mlp heads": {"model.head": {"kind": "mlp", "widths": [5], "dropout": 0.3}},
    "no trunk": {"model.trunk.widths": []},
    "given a preference": {"balancing.method": "cosmos"},
    "wide": {"model.trunk.widths": [128], "training.batch_size": 50},
    "proportional": {"data.mix": "proportional"},
    "temperature": {"data.mix": "temperature", "data.temperature": 3.0},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_are_the_same_for_any_number_of_seeds_and_of_trials(variant: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path, missing={"digit": 0.2})
    experiment = experiment_on(prepared, VARIANTS[variant] | {"training.epochs": 2})
    for alone, together in (
        (trained(prepared, seeds(experiment, 1)), [trained(prepared, seeds(experiment, count)) for count in (2, 5)]),
        (trained(prepared, trials([experiment])), [trained(prepared, trials([experiment] * it)) for it in (2, 5)]),
    ):
        for states in together:
            name = next(iter(alone))
            assert_same(states[name], alone[name])


@pytest.mark.parametrize(("features", "width", "batch_size"), [(1, 1, 1), (37, 1, 7), (3, 33, 16), (784, 128, 49)])
def test_weights_are_the_same_at_awkward_sizes(features: int, width: int, batch_size: int, tmp_path: Path) -> None:
    prepared = random_data(tmp_path, features=features)
    sizes = {"model.trunk.widths": [width], "training.batch_size": batch_size, "training.epochs": 2}
    experiment = experiment_on(prepared, sizes)
    alone = trained(prepared, seeds(experiment, 1))["seed/0"]
    for count in (2, 5, 16):
        assert_same(trained(prepared, seeds(experiment, count))["seed/0"], alone)


@pytest.mark.parametrize("kind", ["digit", "marks", "parity"])
def test_weighted_classes_and_focal_losses_are_the_same_for_any_number_of_slots(kind: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path, MIXED, missing=dict.fromkeys(MIXED, 0.2))
    experiment = experiment_on(prepared, {f"tasks.{kind}.class_weights": "balanced", f"tasks.{kind}.focal": 1.5})
    alone = trained(prepared, seeds(experiment, 1))["seed/0"]
    assert alone.status == "finished"
    assert_same(trained(prepared, seeds(experiment, 3))["seed/0"], alone)
    plain = trained(prepared, seeds(experiment_on(prepared), 1))["seed/0"]
    assert plain.arrays["best.values"].tobytes() != alone.arrays["best.values"].tobytes()


@pytest.mark.parametrize("kind", MIXED)
@pytest.mark.parametrize("sharing", ["shared", "separate"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_every_kind_of_task_is_the_same_alone_and_beside_all_others(
    kind: str, sharing: str, missing: float, tmp_path: Path
) -> None:
    # Alone and mixed with the others, shared and separate, with masks and without, in stacks of 1, 2 and 5.
    for tasks in ({kind: MIXED[kind]}, MIXED):
        prepared = few_data(tmp_path, tasks, missing=dict.fromkeys(tasks, missing))
        experiment = experiment_on(prepared, {"model.sharing": sharing, "training.epochs": 2})
        alone = trained(prepared, seeds(experiment, 1))["seed/0"]
        assert alone.status == "finished"
        for count in (2, 5):
            assert_same(trained(prepared, seeds(experiment, count))["seed/0"], alone)


@pytest.mark.parametrize("trunk", ["mlp", "tabular", "residual"])
@pytest.mark.parametrize("sharing", ["shared", "separate"])
@pytest.mark.parametrize("embedding", [1, 5, 8])
def test_embeddings_of_a_table_are_the_same_for_any_number_of_slots(
    trunk: str, sharing: str, embedding: int, tmp_path: Path
) -> None:
    prepared = random_table(tmp_path)
    values: dict[str, Any] = {"model.trunk.kind": trunk, "model.trunk.embedding": embedding}
    values |= {"model.trunk.number_embedding": embedding} if trunk == "tabular" else {}
    experiment = experiment_on(prepared, values | {"model.sharing": sharing, "training.epochs": 2})
    for slots in (lambda count: seeds(experiment, count), lambda count: trials([experiment] * count)):
        alone = next(iter(trained(prepared, slots(1)).values()))
        assert alone.status == "finished"
        for count in (2, 5):
            assert_same(trained(prepared, slots(count))[alone.name], alone)


@pytest.mark.parametrize("sharing", ["shared", "separate"])
@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_trunk_is_the_same_alone_and_beside_others(trunk: str, sharing: str, tmp_path: Path) -> None:
    prepared = images(tmp_path, trunk)
    values = {"model.trunk": TRUNKS[trunk], "model.sharing": sharing, "training.epochs": 2}
    experiment = experiment_on(prepared, values)
    for alone, together in (
        (trained(prepared, seeds(experiment, 1)), [trained(prepared, seeds(experiment, count)) for count in (2, 5)]),
        (trained(prepared, trials([experiment])), [trained(prepared, trials([experiment] * it)) for it in (2, 5)]),
    ):
        name = next(iter(alone))
        assert alone[name].status == "finished"
        for states in together:
            assert_same(states[name], alone[name])


SHARED_TRUNKS: dict[str, dict[str, Any]] = {
    "mlp": {"widths": [9, 1, 13], "activation": "tanh", "norm": "batch_per_source"},
    "residual": TRUNKS["residual"],
    "lenet": TRUNKS["lenet"],
    "resnet": {"kind": "resnet", "channels": [3, 4]},
}


LONG = ("cgc", "ple", "dselect_k", "mtan")
"""Whose experts or attention are many layers of a resnet: seconds each, on the parts that the other cases have."""


@pytest.mark.parametrize(
    ("sharing", "trunk"),
    [
        pytest.param(sharing, trunk, marks=[pytest.mark.slow] if trunk == "resnet" and sharing in LONG else [])
        for sharing in SHARINGS
        for trunk in SHARED_TRUNKS
    ],
)
def test_every_way_of_sharing_is_the_same_alone_beside_others_and_after_one_left(
    sharing: str, trunk: str, tmp_path: Path
) -> None:
    prepared = images(tmp_path, trunk)
    values = {"model.sharing": SHARINGS[sharing], "model.trunk": SHARED_TRUNKS[trunk], "training.epochs": 2}
    slots = seeds(experiment_on(prepared, values), 5)
    alone = trained(prepared, slots[:1])["seed/0"]
    assert alone.status == "finished"
    assert_same(trained(prepared, slots[:2])["seed/0"], alone)
    stack = Stack(prepared, slots)
    advance(stack)
    stack.leave(["seed/1", "seed/3"])
    advance(stack)
    assert_same(by_name(stack)["seed/0"], alone)


def test_all_ways_of_sharing_are_put_to_the_test() -> None:
    assert {it["kind"] for it in SHARINGS.values()} == {name for name, it in Sharing.choices.items() if not it.plain}


@pytest.mark.parametrize("trunk", ["mlp", "tabular", "residual"])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_every_way_to_share_behind_embeddings_is_the_same_for_any_number_of_slots(
    sharing: str, trunk: str, tmp_path: Path
) -> None:
    prepared = random_table(tmp_path)
    values = {"model.sharing": SHARINGS[sharing], "model.trunk.kind": trunk, "training.epochs": 2}
    experiment = experiment_on(prepared, values)
    alone = next(iter(trained(prepared, trials([experiment])).values()))
    assert alone.status == "finished"
    assert_same(trained(prepared, trials([experiment] * 3))[alone.name], alone)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_trunk_is_the_same_after_a_neighbour_left(trunk: str, tmp_path: Path) -> None:
    prepared = images(tmp_path, trunk)
    slots = seeds(experiment_on(prepared, {"model.trunk": TRUNKS[trunk]}), 3)
    stack = Stack(prepared, slots)
    advance(stack)
    stack.leave([slots[0].name])
    while stack.running:
        advance(stack)
    undisturbed = trained(prepared, slots)
    for slot in slots[1:]:
        assert_same(by_name(stack)[slot.name], undisturbed[slot.name])


@pytest.mark.parametrize("own_batches", [True, False])
def test_augmented_images_are_the_same_alone_beside_others_and_after_one_left(
    own_batches: bool, tmp_path: Path
) -> None:
    prepared = few_data(tmp_path, side=14)
    augment = [{"RandomCrop": {"size": 14, "padding": 2}}, "RandomHorizontalFlip", {"GaussianNoise": {"sigma": 0.05}}]
    experiment = experiment_on(prepared, {"training.augment": augment})
    slots = seeds(experiment, 3) if own_batches else trials([experiment] * 3)
    alone = trained(prepared, slots[:1])[slots[0].name]
    stack = Stack(prepared, slots)
    advance(stack)
    stack.leave([slots[1].name])
    while stack.running:
        advance(stack)
    assert_same(by_name(stack)[slots[0].name], alone)
    assert alone.history != trained(prepared, seeds(experiment_on(prepared), 1))["seed/0"].history


def images(folder: Path, trunk: str) -> Prepared:
    """Every kind of task on images of 14 x 14, with some targets missing."""
    return images_for(trunk, few_data(folder, MIXED, side=14, missing=dict.fromkeys(MIXED, 0.2)))


@pytest.mark.parametrize("norm", ["none", "batch", "batch_per_source", "layer"])
@pytest.mark.parametrize("sharing", ["shared", "separate", "cross_stitch", "cgc", "ple", "mtan"])
def test_weights_are_the_same_where_a_source_has_no_row_in_some_steps(norm: str, sharing: str, tmp_path: Path) -> None:
    prepared = random_data(tmp_path, rows={"left": 80, "right": 5})
    values = {"data.mix": "proportional", "model.trunk.norm": norm, "model.sharing": sharing}
    experiment = experiment_on(prepared, values | {"training.batch_size": 5})
    alone = trained(prepared, seeds(experiment, 1))["seed/0"]
    assert alone.status == "finished"
    assert_same(trained(prepared, seeds(experiment, 3))["seed/0"], alone)


def test_every_slot_of_a_stack_equals_itself_alone_whatever_its_settings(tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    own = [
        {"model.trunk.dropout": 0.0, "training.learning_rate": 0.1},
        {"training.clip_norm": 0.01},
        {"training.weight_decay": 0.5, "training.beta1": 0.5, "model.head.dropout": 0.2},
        {"balancing.weights": {"digit": 2.0, "parity": 0.5, "other": 0.5}, "training.epsilon": 1e-3},
        {"model.trunk.dropout": 0.7},
    ]
    slots = trials([experiment_on(prepared, {"model.head": {"kind": "mlp", "widths": [5]}} | it) for it in own])
    together = trained(prepared, slots)
    for slot in slots:
        assert_same(together[slot.name], trained(prepared, [slot])[slot.name])


@pytest.mark.parametrize("own_batches", [True, False])
def test_weights_are_the_same_after_neighbours_left(own_batches: bool, tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    experiment = experiment_on(prepared, {"training.epochs": 4, "model.trunk.norm": "batch"})
    slots = seeds(experiment, 5) if own_batches else trials([experiment] * 5)
    undisturbed = trained(prepared, slots)
    stack = Stack(prepared, slots)
    advance(stack)
    stack.leave([slots[0].name, slots[3].name])
    advance(stack)
    stack.leave([slots[4].name])
    while stack.running:
        advance(stack)
    found = by_name(stack)
    for slot in (slots[1], slots[2]):
        assert_same(found[slot.name], undisturbed[slot.name])


@pytest.mark.parametrize("name", [pytest.param("mnist_fashion", marks=pytest.mark.slow), "digits"])
def test_shipped_experiments_give_the_same_weights_for_1_2_5_and_16_slots_and_after_a_neighbour_left(
    name: str, request: pytest.FixtureRequest
) -> None:
    prepared: Prepared = request.getfixturevalue(name)
    experiment = load(name, {"training.epochs": 2}, REPOSITORY)
    wanted = _first(prepared, experiment, 1)
    for count in (2, 5, 16):
        assert_same(_first(prepared, experiment, count, leaving=count == 5), wanted)


def _first(prepared: Prepared, experiment: Any, count: int, leaving: bool = False) -> SlotState:
    stack = Stack(prepared, seed_slots(with_values(experiment, {"training.seeds": count}), prepared))
    advance(stack)
    if leaving:
        stack.leave(["seed/1", "seed/4"])
    advance(stack)
    return by_name(stack)["seed/0"]
