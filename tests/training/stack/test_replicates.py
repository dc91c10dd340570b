"""Slots that see splits of their own train in one stack as they do alone, bit for bit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import with_values
from pipeline.data.prepared import Prepared, with_room
from pipeline.data.resident import ResidentBatches
from pipeline.training.assess import assess
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import advance, fit
from pipeline.training.saved import load_networks, save
from pipeline.training.slot import Slot, batch_slots, trial_slots
from pipeline.training.stack.layout import shapes
from pipeline.training.stack.stack import Stack
from pipeline.training.workers.pool import WorkerPool
from tests.training import made_text
from tests.training.folds import in_folds
from tests.training.made import (
    MIXED,
    TRUNKS,
    assert_same,
    by_name,
    experiment_on,
    few_data,
    images_for,
    random_table,
    trained,
)
from tests.training.made_text import text_data
from tests.training.replicates import as_one_split, in_replicates, own_seeds, sharing_inputs
from tests.training.stack.test_batched_training import BATCHED, assert_agree

TWO_EPOCHS = {"training.epochs": 2}
WEIGHTED = {f"tasks.{task}.class_weights": "balanced" for task in ("digit", "marks", "parity")}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "weighted": WEIGHTED,
    "batch norm": {"model.trunk.norm": "batch"},
    "separate": {"model.sharing": "separate"},
    "mmoe": {"model.sharing": "mmoe"},
    "from gradients": {"balancing.method": "upgrad"},
    "proportional": {"data.mix": "proportional"},
    "no validation": {"data.validation": 0.0},
}


def assert_each_as_alone(prepared: Prepared, slots: list[Slot], one_split: bool = True) -> None:
    """All share a stack, and each ends as alone in a stack, and as on a data set that is its replicate's."""
    assert len(set(shapes(prepared, slots))) == 1
    together = trained(prepared, slots)
    for slot in slots:
        assert together[slot.name].status == "finished"
        assert_same(together[slot.name], trained(prepared, [slot])[slot.name])
        if one_split:
            own, same = as_one_split(prepared, slot)
            assert_same(together[slot.name], trained(own, [same])[slot.name])


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_task_on_rows_of_a_table(variant: str, missing: float, tmp_path: Path) -> None:
    prepared = in_replicates(tmp_path, MIXED, make=random_table, missing=dict.fromkeys(MIXED, missing))
    assert_each_as_alone(prepared, own_seeds(experiment_on(prepared, TWO_EPOCHS | VARIANTS[variant]), prepared))


def test_missing_values_of_one_replicate_do_not_touch_the_others(tmp_path: Path) -> None:
    whole = in_replicates(tmp_path / "whole", MIXED, make=few_data)
    partly = in_replicates(tmp_path / "partly", MIXED, make=few_data, missing=dict.fromkeys(MIXED, 0.4))
    prepared = replace(whole, replicates=(*whole.replicates[:2], partly.replicates[2]))
    assert_each_as_alone(prepared, own_seeds(experiment_on(prepared, TWO_EPOCHS), prepared))


def test_one_row_of_validation_more_or_less_parts_no_stack_and_changes_no_value(tmp_path: Path) -> None:
    prepared = in_replicates(tmp_path, MIXED, make=random_table, uneven=True)
    slots = own_seeds(experiment_on(prepared, TWO_EPOCHS), prepared)
    assert_each_as_alone(prepared, slots, one_split=False)
    # The row that is added has no label.
    own, same = as_one_split(prepared, slots[0])
    found, wanted = trained(prepared, slots[:1])[slots[0].name], trained(own, [same])[slots[0].name]
    for mine, other in zip(found.history, wanted.history, strict=True):
        assert mine == pytest.approx(other, rel=1e-5)


def test_more_rows_to_learn_from_make_a_stack_of_their_own(tmp_path: Path) -> None:
    few, many = (in_replicates(tmp_path / str(rows), MIXED, count=2, rows=rows) for rows in (29, 30))
    prepared = replace(few, replicates=(*few.replicates, *many.replicates))
    slots = own_seeds(experiment_on(prepared, {"training.epochs": 1}), prepared)
    found = shapes(prepared, slots)
    assert found[0] == found[1] != found[2] == found[3]
    with WorkerPool(1) as pool:
        states = fit(pool, prepared, slots, lambda _: [])
    for slot, state in zip(slots, states, strict=True):
        assert_same(state, trained(prepared, [slot])[slot.name])


@pytest.mark.parametrize("trunk", ["lenet", "own"])
def test_images_that_all_replicates_share(trunk: str, tmp_path: Path) -> None:
    apart = in_replicates(tmp_path, MIXED, make=few_data, side=14)
    shared = sharing_inputs(replace(apart, replicates=tuple(images_for(trunk, it) for it in apart.replicates)))
    experiment = experiment_on(apart, TWO_EPOCHS | {"model.trunk": TRUNKS[trunk]})
    slots = own_seeds(experiment, shared)
    assert len(set(shapes(shared, slots))) == 1
    together = trained(shared, slots)
    for slot in slots:
        assert_same(together[slot.name], trained(shared, [slot])[slot.name])
        own = replace(apart.replicates[slot.replicate or 0], sources=images_for(trunk, apart).sources)
        assert_same(together[slot.name], trained(own, [replace(slot, replicate=None)])[slot.name])


def test_texts_with_tags(tmp_path: Path) -> None:
    tasks = {name: made_text.TASKS[name] for name in ("who", "marks", "odd")}
    prepared = in_replicates(tmp_path, tasks, make=text_data, rows=20, missing=0.2)
    like = experiment_on(prepared, {**TWO_EPOCHS, "model.trunk": made_text.TRUNKS["lstm"]})
    assert_each_as_alone(prepared, own_seeds(like, prepared))


def test_tags_of_other_names_make_a_stack_of_their_own(tmp_path: Path) -> None:
    prepared = in_replicates(tmp_path, {"who": made_text.TASKS["who"]}, count=2, make=text_data)
    first, other = prepared.replicates
    tags = ("O", "B-a", "I-a", "B-c", "I-c")
    renamed = replace(other, tasks={"who": replace(other.tasks["who"], classes=tags)})
    prepared = replace(prepared, replicates=(first, renamed))
    slots = own_seeds(experiment_on(prepared, {"model.trunk": made_text.TRUNKS["lstm"]}), prepared)
    assert len(set(shapes(prepared, slots))) == 2


def test_a_slot_that_leaves_touches_no_other_down_to_the_last_that_is_left(tmp_path: Path) -> None:
    prepared = in_replicates(tmp_path, MIXED, make=random_table, uneven=True, missing={"marks": 0.2})
    slots = own_seeds(experiment_on(prepared, WEIGHTED | {"training.epochs": 4}), prepared)
    stack = Stack(prepared, slots)
    for slot in slots[:2]:
        advance(stack)
        stack.leave([slot.name])
    while stack.running:
        advance(stack)
    found = by_name(stack)
    assert [found[slot.name].looks for slot in slots] == [1, 2, 4]
    for slot in slots:
        wanted = trained(prepared, [slot], found[slot.name].looks)[slot.name]
        assert repr(found[slot.name].history) == repr(wanted.history)
        assert found[slot.name].arrays["best.values"].tobytes() == wanted.arrays["best.values"].tobytes()


@pytest.mark.parametrize("parts", [[[0, 1, 2]], [[0], [1, 2]], [[1], [0], [2]]], ids=str)
def test_a_stack_that_died_goes_on_from_its_checkpoint_in_any_other_stacks(
    parts: list[list[int]], tmp_path: Path
) -> None:
    prepared = in_replicates(tmp_path, MIXED, make=random_table, uneven=True)
    slots = own_seeds(experiment_on(prepared, {"training.epochs": 4, "model.trunk.norm": "batch"}), prepared)
    unbroken, file = trained(prepared, slots), Checkpoint(tmp_path / "checkpoint")
    file.write(trained(prepared, slots, 2).values())
    for part in parts:
        stack = Stack(prepared, [slots[place] for place in part], file.read())
        while stack.running:
            advance(stack)
        for name, state in by_name(stack).items():
            assert_same(state, unbroken[name])


@pytest.mark.parametrize("processes", [1, 2])
def test_trials_of_all_replicates_in_blocks_and_processes_end_as_each_alone(processes: int, tmp_path: Path) -> None:
    prepared = in_replicates(tmp_path, MIXED, make=random_table, uneven=True)
    like = experiment_on(prepared, TWO_EPOCHS | {"training.seeds": 3})
    rates = {number: 0.01 + 0.001 * number for number in range(6)}
    slots = batch_slots(
        {it: with_values(like, {"training.learning_rate": rate}) for it, rate in rates.items()}, prepared
    )
    for block in (2, 5):
        with WorkerPool(processes, block=block) as pool:
            states = fit(pool, prepared, slots, lambda _: [])
        for slot, state in zip(slots, states, strict=True):
            assert_same(state, trained(prepared, [slot])[slot.name])


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_folds_within_replicates_share_a_stack_where_they_are_equally_long(missing: float, tmp_path: Path) -> None:
    prepared = in_replicates(tmp_path, MIXED, make=in_folds, rows=60, missing=dict.fromkeys(MIXED, missing))
    experiment = experiment_on(
        prepared, TWO_EPOCHS | WEIGHTED | {"training.folds": 3, "training.seeds": 3, "data.validation": 0.0}
    )
    slots = [slot for number in range(3) for slot in trial_slots(number, experiment, prepared)]
    assert len({(slot.replicate, slot.fold) for slot in slots}) == 9
    assert_each_as_alone(prepared, slots)


@pytest.mark.parametrize("shared", [False, True])
def test_batches_on_a_device_agree(shared: bool, tmp_path: Path) -> None:
    apart = in_replicates(tmp_path, MIXED, make=few_data, missing={"digit": 0.3})
    prepared = sharing_inputs(apart) if shared else apart
    values = TWO_EPOCHS | {"model.trunk.dropout": 0.0, "tasks.marks.class_weights": "balanced"}
    slots = own_seeds(experiment_on(prepared, values), prepared)
    stack = Stack(prepared, slots, on=BATCHED)
    assert isinstance(stack.batches, ResidentBatches)
    advance(stack)
    stack.leave([slots[0].name])
    while stack.running:
        advance(stack)
    for slot in slots[1:]:
        assert_agree(by_name(stack)[slot.name], trained(apart, [slot])[slot.name])


def test_replicates_that_know_other_categories_share_a_stack_with_room_for_all(tmp_path: Path) -> None:
    def table(folder: Path, tasks: Any, seed: int) -> Prepared:
        return random_table(folder, tasks, sizes=(3 + seed, 40 - seed), seed=seed)

    own = in_replicates(tmp_path / "data", MIXED, make=table)
    prepared = replace(own, replicates=with_room(own.replicates))
    experiment = experiment_on(prepared, TWO_EPOCHS | {"model.trunk.kind": "tabular"})
    slots = own_seeds(experiment, own)
    assert len(set(shapes(own, slots))) == 3
    assert {it.sources["left"].categories for it in prepared.replicates} == {(5, 40)}
    assert_each_as_alone(prepared, slots)
    states = list(trained(prepared, slots).values())
    save(tmp_path, prepared, slots, states)
    for it, state in zip(load_networks(tmp_path, prepared, slots), states, strict=True):
        (found,) = assess(it.network, it.prepared, it.prepared.split("validation"))
        assert {f"validation/{key}": value for key, value in found.items()}.items() <= state.best.items()


def test_replicates_of_text_have_room_for_the_largest_vocabulary(tmp_path: Path) -> None:
    made = in_replicates(tmp_path, {"odd": made_text.TASKS["odd"]}, make=text_data)
    own = [
        replace(it, sources={"right": replace(it.sources["right"], encoding={"kind": "text", "ids": 30 + number})})
        for number, it in enumerate(made.replicates)
    ]
    assert [it.sources["right"].ids for it in with_room(own)] == [32] * 3
    assert [it.sources["right"].encoding for it in with_room(own)] == [it.sources["right"].encoding for it in own]
