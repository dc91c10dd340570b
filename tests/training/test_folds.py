"""Folds as slots: each sees its own rows only, and keeps the stack's promises."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared, inputs_file
from pipeline.data.resident import ResidentBatches
from pipeline.model import Network
from pipeline.stacked import On
from pipeline.training.loop import advance, fit, train
from pipeline.training.slot import SlotState, seed_slots, trial_slots
from pipeline.training.stack.network import build_network
from pipeline.training.stack.stack import Stack
from pipeline.training.thresholds import thresholds
from pipeline.training.workers.pool import WorkerPool

from .folds import by_hand, in_folds, of_fold, poison, trials_of
from .made import MIXED, ODD, assert_same, by_name, experiment_on, trained
from .stack.test_batched_training import assert_same_course

FOLDS = 3


def folded(prepared: Prepared, **values: Any) -> Experiment:
    own = {name.replace("__", "."): value for name, value in values.items()}
    return experiment_on(prepared, {"training.folds": FOLDS, "data.validation": 0.0} | own)


@pytest.mark.parametrize("kind", [*MIXED, "all"])
@pytest.mark.parametrize("sharing", ["shared", "separate"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_every_kind_of_task_trains_in_a_fold_as_on_files_cut_by_hand(
    kind: str, sharing: str, missing: float, tmp_path: Path
) -> None:
    tasks = MIXED if kind == "all" else {kind: MIXED[kind]}
    (tmp_path / "data").mkdir()
    prepared = in_folds(tmp_path / "data", tasks, missing=dict.fromkeys(tasks, missing), rows=51)
    experiment = folded(prepared, model__sharing=sharing, training__epochs=2)
    slots = trials_of(experiment, 2)
    for fold in range(FOLDS):
        own = of_fold(slots, fold)
        found = trained(prepared, own)
        plain = [replace(slot, fold=None) for slot in own]
        wanted = trained(by_hand(prepared, fold, tmp_path / str(fold)), plain)
        for slot in own:
            assert found[slot.name].status == "finished"
            assert_same(found[slot.name], wanted[slot.name])


def test_weights_of_classes_are_those_of_the_rows_that_are_learnt_from(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    prepared = in_folds(tmp_path / "data", MIXED)
    own = {f"tasks.{task}.class_weights": "balanced" for task in ("digit", "marks")}
    slots = of_fold(trials_of(experiment_on(prepared, {"training.folds": FOLDS} | own), 1), 1)
    wanted = trained(by_hand(prepared, 1, tmp_path / "1"), [replace(slots[0], fold=None)])
    assert_same(trained(prepared, slots)[slots[0].name], wanted[slots[0].name])


@pytest.mark.parametrize("fold", range(FOLDS))
def test_nan_and_other_targets_in_the_held_out_rows_change_nothing_in_training(fold: int, tmp_path: Path) -> None:
    prepared = in_folds(tmp_path, MIXED)
    slots = of_fold(trials_of(folded(prepared), 2), fold)
    wanted = _values_and_metrics(prepared, slots)
    poison(prepared, fold)
    found = _values_and_metrics(prepared, slots)
    assert found[0] == wanted[0]
    np.testing.assert_array_equal(found[1], wanted[1])
    assert np.isfinite(found[1]).all()
    others = of_fold(trials_of(folded(prepared), 2), (fold + 1) % FOLDS)
    assert not np.isfinite(_values_and_metrics(prepared, others)[1]).all()  # whoever does learn from them is lost


def _trained(stack: Stack) -> list[dict[str, float]]:
    train(stack)
    return stack.summaries()


def _values_and_metrics(prepared: Prepared, slots: list[Any]) -> tuple[list[dict[str, float]], np.ndarray]:
    stack = Stack(prepared, slots)
    metrics = [_trained(stack) for _ in range(3)][-1]
    return metrics, stack.network.values.numpy()


def test_slots_of_a_fold_share_each_batch(tmp_path: Path) -> None:
    prepared = in_folds(tmp_path, ODD)
    slots = trials_of(folded(prepared, training__seeds=1), 2)  # of one replicate
    assert [slot.name for slot in slots[:3]] == ["trial/0/fold/0", "trial/1/fold/0", "trial/0/fold/1"]
    assert len({slot.data_stream for slot in slots}) == FOLDS
    assert len({slot.stream for slot in slots}) == len(slots)
    for fold in range(FOLDS):
        assert len({slot.data_stream for slot in of_fold(slots, fold)}) == 1


@pytest.mark.parametrize("count", [2, 5])
def test_a_folds_weights_are_the_same_for_any_number_of_trials(count: int, tmp_path: Path) -> None:
    prepared = in_folds(tmp_path, ODD, missing={"digit": 0.2})
    experiment = folded(prepared, training__epochs=2)
    for fold in range(FOLDS):
        (alone,) = of_fold(trials_of(experiment, 1), fold)
        together = trained(prepared, of_fold(trials_of(experiment, count), fold))
        assert_same(together[alone.name], trained(prepared, [alone])[alone.name])


@pytest.mark.parametrize("processes", [1, 2])
def test_a_fold_that_leaves_and_folds_in_other_processes_change_nothing(processes: int, tmp_path: Path) -> None:
    prepared = in_folds(tmp_path, ODD)
    slots = trials_of(folded(prepared, training__epochs=4), 3)
    undisturbed = {slot.name: trained(prepared, [slot])[slot.name] for slot in slots}

    def at_barrier(states: list[SlotState]) -> list[str]:
        return [it.name for it in states if it.looks == 2 and it.name.startswith("trial/1/")]

    with WorkerPool(processes) as pool:
        found = {state.name: state for state in fit(pool, prepared, slots, at_barrier)}
    for slot in slots:
        if slot.name.startswith("trial/1/"):
            assert (found[slot.name].status, found[slot.name].looks) == ("pruned", 2)
        else:
            assert_same(found[slot.name], undisturbed[slot.name])


def test_folds_resume_as_if_unbroken(tmp_path: Path) -> None:
    prepared = in_folds(tmp_path, ODD)
    slots = of_fold(trials_of(folded(prepared, training__epochs=4, model__trunk__norm="batch"), 3), 1)
    unbroken = trained(prepared, slots)
    states = trained(prepared, slots, 2)
    for part in (slots[:1], slots[1:]):
        stack = Stack(prepared, part, states)
        while stack.running:
            advance(stack)
        for name, state in by_name(stack).items():
            assert_same(state, unbroken[name])


def test_seeds_hold_out_one_fold_after_the_other_but_the_last_where_folds_are_chained(tmp_path: Path) -> None:
    prepared = in_folds(tmp_path, ODD)
    experiment = folded(prepared, training__seeds=5)
    assert [slot.fold for slot in seed_slots(experiment, prepared)] == [0, 1, 2, 0, 1]
    assert [slot.fold for slot in seed_slots(experiment, replace(prepared, chained=True))] == [2] * 5
    assert [slot.name for slot in seed_slots(experiment, prepared)] == [f"seed/{index}" for index in range(5)]


def test_without_folds_a_trial_is_the_slot_that_it_always_was(tmp_path: Path) -> None:
    prepared = in_folds(tmp_path, ODD)
    experiment = experiment_on(prepared)
    (slot,) = trial_slots(7, experiment, prepared)
    assert (slot.name, slot.fold, slot.data_stream.name) == ("trial/7", None, "study/2")  # the third of five replicates


def test_thresholds_are_chosen_on_each_slots_own_fold(tmp_path: Path) -> None:
    prepared = in_folds(tmp_path, MIXED)
    slots = seed_slots(folded(prepared, training__seeds=4), prepared)
    network = _network(prepared, slots)
    found = thresholds(network, prepared, [slot.fold for slot in slots])["marks"]
    for place, slot in enumerate(slots):
        assert found[place] == thresholds(network, prepared, [slot.fold])["marks"][place]
    assert found[0] != thresholds(network, prepared, [1])["marks"][0]


def _network(prepared: Prepared, slots: list[Any]) -> Network:
    network = build_network(prepared, [slot.experiment for slot in slots])
    network.initialise([slot.stream for slot in slots])
    return network


def test_batches_that_lie_on_a_device_pass_the_fold_over_too(tmp_path: Path) -> None:
    prepared = in_folds(tmp_path, ODD)
    slots = of_fold(trials_of(folded(prepared, model__trunk__dropout=0.0), 2), 1)
    on_device = Stack(prepared, slots, on=On("cpu", batched=True))
    assert isinstance(on_device.batches, ResidentBatches)
    plain = Stack(prepared, slots)
    for found, wanted in zip(advance(on_device), advance(plain), strict=True):
        assert_same_course(found, wanted, tolerance=1e-3, row=0.07)  # of 17 rows held out


def test_memory_for_rows_is_that_of_the_mapped_files(tmp_path: Path) -> None:
    prepared = in_folds(tmp_path, ODD)
    split = prepared.holding_out(1).split("train")
    whole = np.load(tmp_path / inputs_file("left", "train"), mmap_mode="r")
    assert isinstance(split.inputs["left"], np.memmap)
    assert split.inputs["left"].shape == whole.shape
