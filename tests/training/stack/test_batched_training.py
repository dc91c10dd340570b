"""Training as on a GPU, with calls for all slots at once, held on the CPU against the ordinary way."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.stacked import On
from pipeline.training.loop import advance, train
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack.stack import Stack
from tests.training.made import assert_same, by_name, experiment_on, random_data, seeds, trained, trials
from tests.training.stack.test_neighbours import VARIANTS
from tests.training.tape import tape

BATCHED = On("cpu", batched=True)
NO_DROPOUT = {"model.trunk.dropout": 0.0, "model.head.dropout": 0.0, "training.epochs": 2}


def batched(prepared: Prepared, slots: list[Slot], record: Any = None) -> dict[str, SlotState]:
    stack = Stack(prepared, slots, on=BATCHED, record=record)
    while stack.running:
        advance(stack)
    return by_name(stack)


def assert_agree(found: SlotState, wanted: SlotState, tolerance: float = 2e-4) -> None:
    """The same course within a tolerance."""
    assert (found.status, found.looks) == (wanted.status, wanted.looks)
    assert_same_course(found, wanted, tolerance)
    assert found.arrays.keys() == wanted.arrays.keys()
    for name in ("values", "buffers"):
        row, other_row = found.arrays[f"best.{name}"], wanted.arrays[f"best.{name}"]
        if found.best_look == wanted.best_look:
            assert np.linalg.norm(row - other_row) <= tolerance * max(1.0, float(np.linalg.norm(other_row)))


def assert_same_course(found: SlotState, wanted: SlotState, tolerance: float = 2e-4, row: float = 0.05) -> None:
    """The same history within a tolerance; a row at the border between two classes may fall to either side."""
    for mine, other in zip(found.history, wanted.history, strict=True):
        assert mine.keys() == other.keys()
        for key, value in other.items():
            assert mine[key] == pytest.approx(value, abs=row if "accuracy" in key or "objective" in key else tolerance)


@pytest.mark.parametrize("variant", VARIANTS)
def test_batched_training_agrees_with_a_call_a_slot(variant: str, tmp_path: Path) -> None:
    prepared = random_data(tmp_path, missing={"digit": 0.2})
    values, tolerance = VARIANTS[variant] | NO_DROPOUT, 2e-4
    if "model.head" in values:
        values |= {"model.head": {"kind": "mlp", "widths": [5]}}
        values.pop("model.head.dropout")
    if "batch" in variant or variant in ("mtan", "rmsprop"):
        # A bias before a batch norm has no gradient but rounding, which Adam makes as large as any; RMSprop makes
        # ten times as large a step of each at first. And the spread of few rows divides what rounding there is.
        values |= {"training.epsilon": 1e-3}
        tolerance = 1e-3
    experiment = experiment_on(prepared, values)
    for slots in (seeds(experiment, 3), trials([experiment] * 3)):
        wanted = trained(prepared, slots)
        for name, state in batched(prepared, slots).items():
            assert_agree(state, wanted[name], tolerance)


@pytest.mark.parametrize("count", [1, 64])
def test_batched_training_agrees_for_one_slot_and_for_many(count: int, tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    rates = np.geomspace(1e-4, 1e-2, count)
    slots = trials([experiment_on(prepared, NO_DROPOUT | {"training.learning_rate": float(rate)}) for rate in rates])
    wanted = trained(prepared, slots)
    for name, state in batched(prepared, slots).items():
        assert_agree(state, wanted[name])


def test_batched_bfloat16_agrees_within_its_precision(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    experiment = experiment_on(prepared, NO_DROPOUT | {"precision": "bfloat16", "model.trunk.widths": [40, 40]})
    slots = seeds(experiment, 3)
    wanted = trained(prepared, slots)
    for name, state in batched(prepared, slots).items():
        assert_agree(state, wanted[name], tolerance=0.02)


RECORDED: dict[str, dict[str, Any]] = {
    "flagship": {},
    "one cycle, clipped, adamw": {
        "training.optimizer": "adamw",
        "training.schedule": "one_cycle",
        "training.clip_norm": 0.1,
        "training.weight_decay": 0.1,
        "training.warmup_epochs": 0.5,
    },
    "plateau": {"training.schedule": "plateau", "training.plateau_patience": 1, "training.learning_rate": 0.3},
    "proportional": {"data.mix": "proportional", "model.trunk.norm": "batch_per_source"},
    "layer norm": {"model.trunk.norm": "layer", "model.sharing": "separate"},
    "attention": {"model.sharing": "mtan", "model.trunk.widths": [9, 6]},
    "momentum": {"training.optimizer": "sgd", "training.momentum": 0.9, "training.nesterov": True},
    "rmsprop": {"training.optimizer": "rmsprop", "training.momentum": 0.5},
    "bfloat16": {"precision": "bfloat16", "model.trunk.widths": [40, 40]},
}


@pytest.mark.parametrize("own_batches", [True, False])
@pytest.mark.parametrize("variant", RECORDED)
def test_recorded_steps_train_the_same_bit_for_bit(variant: str, own_batches: bool, tmp_path: Path) -> None:
    prepared = random_data(tmp_path, rows={"left": 301, "right": 120}, missing={"parity": 0.3})
    experiment = experiment_on(prepared, RECORDED[variant] | {"training.epochs": 4})
    slots = seeds(experiment, 3) if own_batches else trials([experiment] * 3)
    wanted = batched(prepared, slots)
    for name, state in batched(prepared, slots, tape).items():
        assert_same(state, wanted[name])


@pytest.mark.parametrize("own_batches", [True, False])
@pytest.mark.parametrize("variant", [*VARIANTS, "bfloat16"])
def test_the_steps_of_an_epoch_on_a_gpu_neither_wait_for_it_nor_mix_devices(
    variant: str, own_batches: bool, tmp_path: Path
) -> None:
    # Fake tensors know their device and have no values: whatever mixes devices or waits for a value fails.
    prepared = random_data(tmp_path, missing={"digit": 0.2})
    halved = {"precision": "bfloat16", "model.trunk.widths": [40, 40], "training.clip_norm": 0.1}
    experiment = experiment_on(prepared, VARIANTS.get(variant, halved))
    slots = seeds(experiment, 3) if own_batches else trials([experiment] * 3)
    with FakeTensorMode(allow_non_fake_inputs=True):
        stack = Stack(prepared, slots, on=On("cuda:0", batched=True))
        train(stack)
        for rows in stack.rows().values():
            assert rows.device == torch.device("cuda:0")
        with pytest.raises(DataDependentOutputException):
            stack.network.values.sum().item()


def test_training_on_a_gpu_that_torch_cannot_use_fails_in_one_line(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    with pytest.raises(Failure, match=r"device=cuda: torch .* finds no GPU it can use here; use device=cpu"):
        Stack(prepared, seeds(experiment_on(prepared, {"device": "cuda"}), 1))


def test_a_slot_of_a_recorded_stack_can_leave(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    slots = trials([experiment_on(prepared, {"training.epochs": 4})] * 4)
    wanted = batched(prepared, slots)
    stack = Stack(prepared, slots, on=BATCHED, record=tape)
    advance(stack)
    stack.leave(["trial/0", "trial/2"])
    assert stack.running == ["trial/1", "trial/3"]
    while stack.running:
        advance(stack)
    found = by_name(stack)
    assert found["trial/0"].status == "pruned"
    for name in ("trial/1", "trial/3"):
        assert_agree(found[name], wanted[name])


def test_a_recorded_stack_resumes_bit_for_bit(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    slots = seeds(experiment_on(prepared, {"training.epochs": 4, "model.trunk.norm": "batch"}), 3)
    wanted = batched(prepared, slots, tape)
    stack = Stack(prepared, slots, on=BATCHED, record=tape)
    advance(stack)
    advance(stack)
    resumed = Stack(prepared, slots, by_name(stack), on=BATCHED, record=tape)
    while resumed.running:
        advance(resumed)
    for name, state in by_name(resumed).items():
        assert_same(state, wanted[name])


def test_a_stack_trained_on_one_device_goes_on_on_another(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    slots = seeds(experiment_on(prepared, NO_DROPOUT | {"training.epochs": 4}), 2)
    wanted = trained(prepared, slots)
    stack = Stack(prepared, slots, on=BATCHED)
    advance(stack)
    for name, state in trained_on(Stack(prepared, slots, by_name(stack))).items():
        assert_agree(state, wanted[name])


def trained_on(stack: Stack) -> dict[str, SlotState]:
    while stack.running:
        advance(stack)
    return by_name(stack)


def test_a_diverged_slot_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    sgd = {"training.optimizer": "sgd", "training.epochs": 4}
    good, bad = (experiment_on(prepared, sgd | {"training.learning_rate": rate}) for rate in (0.01, 1e30))
    wanted = batched(prepared, trials([good, good]))
    found = batched(prepared, trials([good, bad]))
    assert found["trial/1"].status == "diverged"
    assert_agree(found["trial/0"], wanted["trial/0"])


def test_a_stack_that_does_not_fit_on_its_device_fails_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = random_data(tmp_path)
    stack = Stack(prepared, seeds(experiment_on(prepared), 3), on=BATCHED)

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(stack.network, "forward", full)
    with pytest.raises(Failure, match="a stack of 3 does not fit on device=cpu: set slots to fewer"):
        advance(stack)
