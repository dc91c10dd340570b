"""How long a network trains, and when validation is looked at."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config.training import TrainingSettings
from pipeline.data.batches import Batches
from pipeline.data.prepared import Prepared
from pipeline.stacked import On
from pipeline.training.length import automatic, length, length_of
from pipeline.training.loop import advance, fit
from pipeline.training.stack.stack import Stack
from pipeline.training.workers.pool import WorkerPool
from tests.training.folds import in_folds
from tests.training.made import ODD, assert_same, by_name, experiment_on, random_data, seeds, trained, trials

UPDATES = {"training.epochs": None, "training.updates": 30, "training.schedule": "one_cycle"}
"""Thirty updates of epochs of eight: stretches of ten, and one that ends at 27."""


@pytest.mark.parametrize(
    ("rows", "steps", "updates"),
    [
        (20, 1, 200),
        (150, 3, 200),
        (500, 8, 500),
        (3_000, 47, 3_000),
        (5_000, 79, 3_000),
        (50_000, 782, 4_499),
        (500_000, 7_813, 15_626),
        (150, 1_000, 2_000),
    ],
)
def test_auto_follows_the_rows_and_is_never_below_two_epochs(rows: int, steps: int, updates: int) -> None:
    assert automatic(rows, steps) == updates
    assert length(TrainingSettings(), steps, rows).updates == updates


def test_auto_has_no_step_where_its_rule_changes() -> None:
    assert automatic(5_001, 79) - automatic(5_000, 79) <= 1


@pytest.mark.parametrize("updates", [1, 2, 3, 7, 19, 20, 21, 400, 1_537, 3_000, 4_500])
@pytest.mark.parametrize("steps", [1, 3, 8, 79, 782, 9_999])
def test_looks_are_about_twenty_one_near_the_end_and_else_not_more_often_than_once_an_epoch(
    updates: int, steps: int
) -> None:
    found = length(TrainingSettings(updates=updates), steps, 1)
    looks = list(found.looks)
    assert looks == sorted(set(looks))
    assert (found.updates, looks[0] > 0, looks[-1]) == (updates, True, updates)
    assert round(0.9 * updates) in looks
    assert len(looks) <= 21
    even = [look for look in looks if look != round(0.9 * updates)]
    if len(even) > 1:
        assert min(later - earlier for earlier, later in pairwise([0, *even])) >= min(steps, updates // 20)
    if updates >= 20 * steps:
        assert len(looks) >= 20


def test_epochs_are_looked_at_one_by_one() -> None:
    found = length(TrainingSettings(epochs=3), 8, 50)
    assert (found.updates, list(found.looks)) == (24, [8, 16, 24])
    assert [list(found.epochs(look, 8)) for look in range(3)] == [[(0, range(8))], [(1, range(8))], [(2, range(8))]]


def test_the_longest_source_decides_whichever_is_read(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, rows={"left": 20, "right": 301})
    experiment = experiment_on(prepared, {"training.epochs": None, "training.batch_size": 10})
    assert length_of(prepared, experiment).updates == 301
    assert length_of(prepared.only(["digit"]), experiment) == length_of(prepared, experiment)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_updates_in_whole_epochs_end_bit_for_bit_where_epochs_do(schedule: str, tmp_path: Path) -> None:
    prepared, common = random_data(tmp_path), {"training.schedule": schedule, "training.warmup_epochs": 1.5}
    by_epochs = experiment_on(prepared, common | {"training.epochs": 5})
    by_updates = experiment_on(prepared, common | {"training.epochs": None, "training.updates": 40})
    wanted, found = (trained(prepared, seeds(it, 2)) for it in (by_epochs, by_updates))
    for name, state in found.items():
        assert (state.updates, wanted[name].updates) == ([8, 16, 24, 32, 36, 40], [8, 16, 24, 32, 40])
        assert repr(state.history[:4]) == repr(wanted[name].history[:4])
        assert state.arrays["best.values"].tobytes() == wanted[name].arrays["best.values"].tobytes()
        last, other = state.history[-1], wanted[name].history[-1]
        same = {key: value for key, value in last.items() if key.startswith("validation/")}
        assert same == {key: value for key, value in other.items() if key.startswith("validation/")}


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dwa": {"balancing.method": "dwa"},
    "famo": {"balancing.method": "famo"},
    "every third step": {"balancing.method": "nash_mtl", "balancing.every": 3},
    "batch norm": {"model.trunk.norm": "batch"},
    "early stopping": {"training.early_stopping": {"patience": 1}, "training.updates": 160},
    "watched": {"training.watch": {"every": 5}},
    "long epochs": {"training.batch_size": 1, "training.updates": 131, "data.mix": "proportional"},
}
"""Epochs of eight steps, or of a hundred."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_slot_trains_in_a_stack_as_alone_and_resumes_within_an_epoch_as_if_unbroken(
    variant: str, tmp_path: Path
) -> None:
    prepared = random_data(tmp_path)
    slots = seeds(experiment_on(prepared, UPDATES | VARIANTS[variant]), 3)
    unbroken = trained(prepared, slots)
    for slot in slots:
        assert_same(trained(prepared, [slot])[slot.name], unbroken[slot.name])
    for after in (1, 2):
        stack = Stack(prepared, slots, trained(prepared, slots, after))
        while stack.running:
            advance(stack)
        for name, state in by_name(stack).items():
            assert_same(state, unbroken[name])


def test_a_neighbour_that_leaves_within_an_epoch_changes_nothing(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    slots = seeds(experiment_on(prepared, UPDATES | {"balancing.method": "dwa"}), 3)
    stack = Stack(prepared, slots)
    advance(stack)
    stack.leave(["seed/1"])
    while stack.running:
        advance(stack)
    assert by_name(stack)["seed/1"].updates == [10]
    for name in ("seed/0", "seed/2"):
        assert_same(by_name(stack)[name], trained(prepared, slots)[name])


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    slots = trials([experiment_on(prepared, UPDATES | {"balancing.method": "dwa"})] * 3)
    with WorkerPool(2, block=2) as pool:
        found = fit(pool, prepared, slots, lambda states: [])
    for state, wanted in zip(found, trained(prepared, slots).values(), strict=True):
        assert_same(state, wanted)


def test_batched_training_agrees_where_stretches_begin_and_end_within_epochs(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, rows=301)
    long = {"training.batch_size": 1, "training.updates": 450, "model.trunk.dropout": 0.0}  # epochs beyond a part's 128
    slots = seeds(experiment_on(prepared, UPDATES | long), 2)
    stack = Stack(prepared, slots, on=On("cpu", batched=True))
    while stack.running:
        advance(stack)
    for name, wanted in trained(prepared, slots).items():
        found = by_name(stack)[name]
        assert (found.updates, found.status) == ([405, 450], "finished")
        np.testing.assert_allclose(found.arrays["best.values"], wanted.arrays["best.values"], atol=2e-3)


@pytest.mark.parametrize("mix", ["longest", "proportional", "shortest", "temperature"])
@pytest.mark.parametrize("rows", [{"left": 24, "right": 70}, {"left": 70, "right": 24}])
def test_alone_a_task_has_in_each_update_the_rows_that_its_source_has_among_others(
    mix: str, rows: dict[str, int], tmp_path: Path
) -> None:
    prepared = random_data(tmp_path, rows=rows)
    stream = seeds(experiment_on(prepared), 1)[0].data_stream
    whole = Batches(prepared, [prepared.split("train")], 7, mix)
    targets = [{task: it.values.clone() for task, it in batch.targets.items()} for batch in whole.epoch([stream], 1)]
    for task in ODD:
        alone = prepared.only([task])
        own = list(Batches(alone, [alone.split("train")], 7, mix).epoch([stream], 1))
        assert [batch.targets[task].values.tolist() for batch in own] == [it[task].tolist() for it in targets]


@pytest.mark.parametrize("mix", ["longest", "proportional", "shortest"])
def test_alone_a_task_trains_for_as_many_updates_though_some_have_none_of_its_rows(mix: str, tmp_path: Path) -> None:
    prepared = random_data(tmp_path, rows={"left": 3, "right": 200})
    values = UPDATES | {"data.mix": mix, "model.trunk.norm": "batch"}
    together = trained(prepared, seeds(experiment_on(prepared, values), 1))["seed/0"]
    alone = prepared.only(["digit"])
    for state in trained(alone, seeds(experiment_on(alone, values), 2)).values():
        assert (state.status, state.updates) == ("finished", together.updates)
        assert np.isfinite(state.arrays["best.values"]).all()


def test_folds_train_as_long_as_their_rows_say(tmp_path: Path) -> None:
    prepared: Prepared = in_folds(tmp_path, ODD, rows={"left": 300, "right": 500})
    values = {"training.epochs": None, "training.folds": 3, "data.validation": 0.0}
    experiment = experiment_on(prepared, values)
    for fold in range(3):
        held = prepared.holding_out(fold)
        assert length_of(held, experiment).updates == max(held.train_rows.values())
        alone = prepared.only(["digit"]).holding_out(fold)
        assert alone.train_rows == held.train_rows
