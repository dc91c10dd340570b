"""A step in chunks is a step of the whole batch but for rounding: held in float64, where rounding is small."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pipeline.balance import Balancer
from pipeline.config import with_values
from pipeline.config.balancing import Balancing
from pipeline.data.prepared import Prepared
from pipeline.errors import UserError
from pipeline.model import Pass
from pipeline.stacked import On, Scratch, slotted
from pipeline.training.loop import advance
from pipeline.training.optim.per_slot import Optimizer
from pipeline.training.slot import SlotState
from pipeline.training.stack.stack import Stack
from tests.training.made import (
    MIXED,
    assert_same,
    by_name,
    experiment_on,
    few_data,
    images_for,
    random_data,
    seeds,
    trained,
    trials,
)
from tests.training.made_text import TASKS, text_data
from tests.training.stack.test_neighbours import VARIANTS
from tests.training.stack.test_text_neighbours import on
from tests.training.test_together import longer

GAPS = {"digit": 0.2, "marks": 0.3, "size": 0.3}
PER_CHUNK = {"batch norm", "batch norm per source", "mtan"}  # statistics are each chunk's own

SOLVED = {"nash_mtl", "upgrad", "dualproj"}  # to a tolerance, which may also be where a step falls back
FALLBACKS = "train/all/fallbacks"


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All of a stack in float64."""
    for function in (Scratch.__call__, slotted, Balancer.add_state):
        monkeypatch.setitem(function.__kwdefaults__, "dtype", torch.float64)

    def resume(self: Optimizer, steps: int) -> None:
        self._done = torch.tensor(float(steps), dtype=torch.float32)  # as torch's own optimizers have it

    monkeypatch.setattr(Optimizer, "resume", resume)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def chunked(prepared: Prepared, experiment: Any, chunks: int, slots: int = 2) -> dict[str, SlotState]:
    return trained(prepared, seeds(with_values(experiment, {"training.chunks": chunks}), slots))


def assert_near(found: dict[str, SlotState], wanted: dict[str, SlotState], tolerance: float = 1e-12) -> None:
    for name, state in wanted.items():
        assert (found[name].status, found[name].best_look) == (state.status, state.best_look)
        for key, values in state.arrays.items():
            assert values.dtype == np.float64
            assert np.abs(found[name].arrays[key] - values).max(initial=0.0) <= tolerance
        for mine, other in zip(found[name].history, state.history, strict=True):
            own, wanted_of = ({it: of[it] for it in of if it != FALLBACKS} for of in (mine, other))
            assert own == pytest.approx(wanted_of, abs=1e-5, nan_ok=True)  # targets' shares stay float32


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("variant", [it for it in VARIANTS if it not in PER_CHUNK])
def test_chunks_and_whole_batches_learn_the_same(variant: str, tmp_path: Path) -> None:
    # Of 29 rows the last batch has one, and most chunks of it none.
    prepared = few_data(tmp_path, missing={"digit": 0.2})
    experiment = experiment_on(prepared, VARIANTS[variant] | {"training.epochs": 2})
    whole = chunked(prepared, experiment, 1)
    for chunks in (2, 4):
        assert_near(chunked(prepared, experiment, chunks), whole)


@pytest.mark.slow
@pytest.mark.usefixtures("double")
def test_they_learn_the_same_for_300_steps(mnist_fashion: Prepared) -> None:
    whole = trained(mnist_fashion, seeds(longer(1), 1))
    for chunks in (2, 4):
        assert_near(trained(mnist_fashion, seeds(longer(chunks), 1)), whole)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("method", Balancing.choices)
def test_every_method_reads_what_the_whole_batch_decides(method: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path, MIXED, missing=GAPS)
    values = {"balancing.method": method, "training.epochs": 2}
    if "smoothing" in type(Balancing.of(method)).model_fields:
        values["balancing.smoothing"] = 0.3
    if "every" in type(Balancing.of(method)).model_fields:
        values["balancing.every"] = 2
    experiment = experiment_on(prepared, values)
    tolerance = 1e-4 if method in SOLVED else 1e-9
    assert_near(chunked(prepared, experiment, 4), chunked(prepared, experiment, 1), tolerance)


@pytest.mark.usefixtures("double")
def test_a_gramian_of_what_the_trunk_answers_is_that_of_all_rows(tmp_path: Path) -> None:
    prepared = few_data(tmp_path, MIXED, missing=GAPS)
    values = {"balancing.method": "mgda", "balancing.gradients": "representation", "training.epochs": 2}
    experiment = experiment_on(prepared, values)
    assert_near(chunked(prepared, experiment, 4), chunked(prepared, experiment, 1), 1e-9)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("kind", ["digit", "marks", "parity"])
def test_weights_of_classes_are_shares_in_the_whole_batch(kind: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path, MIXED, missing=dict.fromkeys(MIXED, 0.2))
    experiment = experiment_on(prepared, {f"tasks.{kind}.class_weights": "balanced", f"tasks.{kind}.focal": 1.5})
    assert_near(chunked(prepared, experiment, 4), chunked(prepared, experiment, 1))


@pytest.mark.usefixtures("double")
def test_text_and_its_tags_are_cut_between_rows(tmp_path: Path) -> None:
    prepared = text_data(tmp_path, TASKS, missing=0.3, rows=17)
    experiment = on(prepared, **{"model.trunk.dropout": 0.0})  # rows are cut to the longest of those that pass together
    assert_near(chunked(prepared, experiment, 4), chunked(prepared, experiment, 1), 1e-9)


def test_images_are_changed_as_in_the_whole_batch(tmp_path: Path) -> None:
    prepared = images_for("lenet", few_data(tmp_path, side=14))
    trunk = {"kind": "lenet", "channels": [2, 3], "widths": [7]}
    values = {"model.trunk": trunk, "training.augment": [{"RandomRotation": {"degrees": 20}}], "training.epochs": 1}
    experiment = experiment_on(prepared, values)
    found, wanted = (chunked(prepared, experiment, chunks)["seed/0"].arrays["best.values"] for chunks in (4, 1))
    assert np.abs(found - wanted).max() < 1e-5
    plain = chunked(prepared, with_values(experiment, {"training.augment": ()}), 1)["seed/0"].arrays["best.values"]
    assert np.abs(plain - wanted).max() > 1e-3


@pytest.mark.parametrize("variant", sorted(PER_CHUNK))
def test_running_statistics_become_the_mean_over_the_chunks(variant: str, tmp_path: Path) -> None:
    prepared = random_data(tmp_path, rows=64)
    values = {"training.batch_size": 32, "training.chunks": 2, "training.epochs": 1, "training.learning_rate": 1e-30}
    values |= {"model.trunk.dropout": 0.0}
    experiment = experiment_on(prepared, VARIANTS[variant] | values)
    halves = with_values(experiment, {"training.chunks": 1, "training.batch_size": 16})
    found = trained(prepared, seeds(experiment, 2))["seed/0"].arrays["best.buffers"]
    # The rows of a step of 32 are those of two steps of 16.
    stack = Stack(prepared, seeds(halves, 2))
    buffers = stack.network.buffers
    before, total = buffers.clone(), torch.zeros_like(buffers)
    for number, batch in enumerate(stack.batches.epoch(stack.data_streams, 0)):
        buffers.copy_(before)
        stack.network.forward(batch.inputs, Pass({}, stack.streams, 0, number))
        total += buffers
        if number % 2:
            before = total / 2
            total.zero_()
    assert before[0].numpy() == pytest.approx(found, abs=1e-6)
    assert before[0].numpy() != pytest.approx(Stack(prepared, seeds(halves, 2)).network.buffers[0].numpy(), abs=1e-2)


@pytest.mark.parametrize("values", [{}, {"model.trunk.norm": "batch"}, {"balancing.method": "famo"}])
def test_chunks_are_the_same_alone_beside_others_and_after_a_resume(values: dict[str, Any], tmp_path: Path) -> None:
    prepared = few_data(tmp_path, MIXED, missing=GAPS)
    sized = {"training.batch_size": 16, "training.chunks": 4}
    experiment = experiment_on(prepared, values | sized)
    for make in (lambda count: seeds(experiment, count), lambda count: trials([experiment] * count)):
        alone = next(iter(trained(prepared, make(1)).values()))
        assert alone.status == "finished"
        assert_same(trained(prepared, make(5))[alone.name], alone)
        first = Stack(prepared, make(2))
        advance(first)
        second = Stack(prepared, make(1), {alone.name: by_name(first)[alone.name]})
        while second.running:
            advance(second)
        assert_same(by_name(second)[alone.name], alone)


def test_batched_chunks_agree_with_a_call_a_slot(tmp_path: Path) -> None:
    prepared = few_data(tmp_path, MIXED, missing=GAPS)
    values = {"training.batch_size": 16, "training.chunks": 4, "model.trunk.dropout": 0.0}
    slots = seeds(experiment_on(prepared, values), 3)
    stack = Stack(prepared, slots, on=On("cpu", batched=True))
    while stack.running:
        advance(stack)
    for name, wanted in trained(prepared, slots).items():
        found = by_name(stack)[name].arrays["best.values"]
        assert np.abs(found - wanted.arrays["best.values"]).max() < 1e-4


@pytest.mark.parametrize("chunks", [0, 3, -4, 2.5])
def test_chunks_are_a_power_of_two(chunks: float, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"training\.chunks"):
        experiment_on(few_data(tmp_path), {"training.chunks": chunks})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"training.chunks": 8}, "chunks 8 cut a batch_size of 7 into less than a row"),
        ({"training.chunks": 2, "training.watch": {"every": 1}}, "measures whole batches: set chunks to 1"),
    ],
)
def test_what_chunks_cannot_be_is_said(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=said):
        experiment_on(few_data(tmp_path), values)


@pytest.mark.parametrize("norm", ["batch", "batch_per_source"])
def test_chunks_of_a_single_row_are_refused_where_a_batch_is_normalised(norm: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    values = {"model.trunk.norm": norm, "training.chunks": 4}  # of 7 rows of each of two sources
    if norm == "batch":
        Stack(prepared, seeds(experiment_on(prepared, values), 1))
        values["training.batch_size"] = 4
        prepared = few_data(tmp_path, {"digit": ("multiclass", "left", 3)})
    with pytest.raises(UserError, match=r"training\.chunks 4 leaves batch normalisation less than two rows of left"):
        Stack(prepared, seeds(experiment_on(prepared, values), 1))
