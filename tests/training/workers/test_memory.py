"""Memory is predicted, and what does not fit is said in one line."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.training.slot import batch_slots
from pipeline.training.workers.memory import WORKER, check, fitting_processes, slot_memory
from tests.conftest import REPOSITORY
from tests.training.folds import in_folds
from tests.training.made import ODD, experiment_on, random_data, seeds, trials
from tests.training.replicates import in_replicates, own_seeds

WIDE = {
    "one wide layer": ({"model.trunk.widths": [1536]}, 3),
    "three layers, batch norm, AdamW": (
        {"model.trunk.widths": [512, 512, 512], "model.trunk.norm": "batch", "training.optimizer": "adamw"}, 4,
    ),
    "convolutions": ({"model.trunk": {"kind": "lenet"}}, 4),
    "residual blocks of images": ({"model.trunk": {"kind": "resnet", "channels": [8, 16]}}, 2),
    "attention": ({"model.sharing": "mtan", "model.trunk.widths": [1024, 1024]}, 3),
    "attention to images": ({"model.sharing": "mtan", "model.trunk": {"kind": "lenet"}}, 4),
    "gradients told apart": ({"model.trunk.widths": [1024], "balancing.method": "graddrop"}, 3),
    "gradients remembered": ({"model.trunk.widths": [1024], "balancing.method": "excess_mtl"}, 3),
    "a preference given": ({"model.trunk.widths": [1024], "balancing.method": "cosmos"}, 3),
    "large batches": ({"model.trunk.widths": [256], "training.batch_size": 512}, 6),
    "large batches in chunks": (
        {"model.trunk.widths": [256, 256], "training.batch_size": 2048, "training.chunks": 16}, 4,
    ),
    "gradients of chunks": ({"model.trunk.widths": [1024], "balancing.method": "cagrad", "training.chunks": 8}, 3),
}  # fmt: skip


REPEATED = ("three layers, batch norm, AdamW", "residual blocks of images", "attention", "a preference given",
            "large batches")  # fmt: skip
"""Each made of parts that the other cases have."""

GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": str(1 << 17)}
"""Freed blocks go back at once: glibc's threshold grows by itself, and its heap then keeps up to 30 % by chance."""


@pytest.mark.parametrize("case", [pytest.param(it, marks=[pytest.mark.slow] if it in REPEATED else []) for it in WIDE])
def test_the_prediction_is_within_30_percent_of_what_is_taken(case: str, tmp_path: Path) -> None:
    values, slots = WIDE[case]
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.anonymous", str(tmp_path), json.dumps(values), str(slots)],
        cwd=REPOSITORY, env=os.environ | GIVEN_BACK, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["taken"] == pytest.approx(found["predicted"], rel=0.3)


def test_a_gpu_holds_no_copies_for_a_checkpoint(prepared: Prepared) -> None:
    there, here = (seeds(experiment_on(prepared, {"device": it}), 5) for it in ("cuda", "cpu"))
    enough = 5 * slot_memory(prepared, there[0], copies=1)
    check(prepared, there, enough)
    with pytest.raises(Failure, match=r"set training\.seeds to at most"):
        check(prepared, here, enough)


def test_a_network_that_does_not_fit_is_said_with_figures(prepared: Prepared, experiment: Experiment) -> None:
    with pytest.raises(Failure, match=r"^a network needs \d+ MiB .* and 0 MiB are free: .* training.batch_size$"):
        check(prepared, seeds(experiment, 5), available=1000)


@pytest.mark.parametrize(
    ("values", "key", "fitting"),
    [
        ({"training.batch_size": 100_000}, "training.batch_size", {"training.batch_size": 8}),
        ({"model.trunk.widths": [60_000, 60_000]}, "model.trunk.widths", {"model.trunk.widths": [500, 500]}),
    ],
)
def test_a_network_that_does_not_fit_is_said_with_the_size_that_does(
    prepared: Prepared, experiment: Experiment, values: dict[str, Any], key: str, fitting: dict[str, Any]
) -> None:
    free = slot_memory(prepared, seeds(with_values(experiment, fitting), 1)[0])
    with pytest.raises(Failure, match=rf"{key} to at most \d+( each)?$") as caught:
        check(prepared, seeds(with_values(experiment, values), 1), free)
    most = int(str(caught.value).removesuffix(" each").rpartition(" ")[2])
    sizes = [[it] * 2 if key.endswith("widths") else it for it in (most, most + 1)]
    check(prepared, seeds(with_values(experiment, {key: sizes[0]}), 1), free)
    with pytest.raises(Failure):
        check(prepared, seeds(with_values(experiment, {key: sizes[1]}), 1), free)


def test_a_batch_that_does_not_fit_is_said_with_the_chunks_that_do(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, rows=4096)
    wide = experiment_on(prepared, {"training.batch_size": 2048, "model.trunk.widths": [64]})
    free = slot_memory(prepared, seeds(wide, 1)[0]) // 2
    wanted = r"are free: set training\.chunks to (\d+) or training\.batch_size to at most (\d+)$"
    with pytest.raises(Failure, match=wanted) as caught:
        check(prepared, seeds(wide, 1), free)
    found = re.search(wanted, str(caught.value))
    assert found
    for key, value in zip(("training.chunks", "training.batch_size"), map(int, found.groups()), strict=True):
        check(prepared, seeds(with_values(wide, {key: value}), 1), free)
    more = with_values(wide, {"training.chunks": 4, "training.batch_size": 4096})
    with pytest.raises(Failure, match=r"set .*training\.batch_size to at most \d+$"):
        check(prepared, seeds(more, 1), free // 2)


def test_a_task_of_very_many_classes_is_named(prepared: Prepared, experiment: Experiment) -> None:
    name, task = next(iter(prepared.tasks.items()))
    many = replace(prepared, tasks=prepared.tasks | {name: replace(task, classes=tuple(map(str, range(200_000))))})
    with pytest.raises(Failure, match=rf"training.batch_size \(task {name} has 200,000 classes: is it a number\?\)$"):
        check(many, seeds(experiment, 1), available=1000)


@pytest.mark.parametrize(("kind", "key"), [(seeds, "training.seeds"), (trials, "tuning.batch")])
def test_networks_that_do_not_fit_together_are_said_with_how_many_would(
    kind: object, key: str, prepared: Prepared, experiment: Experiment
) -> None:
    slots = seeds(experiment, 5) if kind is seeds else trials([experiment] * 5)
    each = slot_memory(prepared, slots[0])
    with pytest.raises(Failure, match=f"^5 networks trained together need .* set {key} to at most 3$"):
        check(prepared, slots, available=3 * each)
    check(prepared, slots, available=5 * each)


def test_trials_with_folds_are_counted_by_their_networks_and_said_as_trials(
    experiment: Experiment, tmp_path: Path
) -> None:
    prepared = in_folds(tmp_path, ODD, folds=4)
    slots = batch_slots(dict.fromkeys(range(3), with_values(experiment, {"training.folds": 4})), prepared)
    each = slot_memory(prepared, slots[0])
    with pytest.raises(Failure, match=r"^12 networks trained together need .* set tuning\.batch to at most 2$"):
        check(prepared, slots, available=11 * each)
    with pytest.raises(Failure, match=r"are free: lower training\.folds$"):
        check(prepared, slots, available=3 * each)
    check(prepared, slots, available=12 * each)


def test_replicates_that_do_not_fit_are_said_as_folds_of_the_test(tmp_path: Path) -> None:
    prepared = in_replicates(tmp_path, ODD)
    slots = own_seeds(experiment_on(prepared), prepared)
    each = slot_memory(prepared, slots[0])
    assert each > slot_memory(prepared.whole(), replace(slots[0], replicate=None))  # of rows that no other validates
    with pytest.raises(Failure, match=r"lower folds or repeats of data\.test, to at most 2 together$"):
        check(prepared, slots, available=2 * each)
    check(prepared, slots, available=3 * each)
    trained = batch_slots(dict.fromkeys(range(5), experiment_on(prepared, {"training.seeds": 3})), prepared)
    with pytest.raises(Failure, match=r"set tuning\.batch to at most 2$"):
        check(prepared, trained, available=2 * each)


def test_workers_are_left_out_where_they_would_take_the_slots_memory(
    prepared: Prepared, experiment: Experiment
) -> None:
    slots = seeds(experiment, 4)
    carried = sum(slot_memory(prepared, slot, copies=4) for slot in slots)
    for spare, processes in ((0, 1), (WORKER, 2), (2 * WORKER, 3), (99 * WORKER, 4)):
        assert fitting_processes(prepared, slots, 4, available=carried + spare) == processes


def test_a_batch_of_its_own_and_bfloat16_copies_count(prepared: Prepared, experiment: Experiment) -> None:
    own, shared = seeds(experiment, 1)[0], trials([experiment])[0]
    assert slot_memory(prepared, own) > slot_memory(prepared, shared)
    halved = trials([experiment.model_copy(update={"precision": "bfloat16"})])[0]
    assert slot_memory(prepared, halved) > slot_memory(prepared, shared)


def test_a_batch_is_no_larger_than_the_rows_there_are(prepared: Prepared, experiment: Experiment) -> None:
    rows = max(it.rows["train"] for it in prepared.sources.values())
    whole, far = (seeds(with_values(experiment, {"training.batch_size": it}), 1)[0] for it in (rows, 10**7))
    assert slot_memory(prepared, far) == slot_memory(prepared, whole)
    assert slot_memory(prepared, whole) > slot_memory(prepared, seeds(experiment, 1)[0])
