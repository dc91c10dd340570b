"""Slots that see splits of their own train in one stack as they do alone, bit for bit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.prepared import Prepared
from pipeline.training.loop import fit
from pipeline.training.slot import Slot
from pipeline.training.stack.layout import shapes
from pipeline.training.workers.pool import WorkerPool
from tests.training import made_text
from tests.training.made import (
    MIXED,
    TRUNKS,
    assert_same,
    experiment_on,
    few_data,
    images_for,
    random_table,
    trained,
)
from tests.training.made_text import text_data
from tests.training.replicates import as_one_split, in_replicates, own_seeds, sharing_inputs

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
