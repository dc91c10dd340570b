"""Folds are a partition of the training rows; stratified, grouped, or chained in time; written one after another."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import Experiment
from pipeline.data.batches import in_order
from pipeline.data.folds import Fold, Folded, folded, of_folds
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared, open_split
from pipeline.data.sources import SOURCES, Examples, Part
from pipeline.data.splitting import Chosen
from pipeline.errors import UserError

from .files import Toy, part, place, quiet

CLASSES = {"a": ["0", "1", "2"], "b": ["no", "yes"], "n": []}
ROWS = 403


def some_part(rows: int = ROWS, **more: Any) -> Part:
    """Patterns of unequal share; label b is missing in every fifth row."""
    rng = np.random.default_rng(0)
    a = rng.choice(3, rows, p=[0.6, 0.3, 0.1])
    b = np.where(np.arange(rows) % 5 == 0, -1, rng.integers(0, 2, rows))
    made = part({"a": a, "b": b, "n": rng.normal(size=rows)})
    return Part(made.inputs, made.labels, **more)


def chosen_of(some: Part) -> Chosen:
    """All rows but every tenth."""
    return Chosen(some, np.arange(len(some.inputs)) % 10 != 3)


def cut(some: Part, folds: int, labels: tuple[str, ...] = ("a", "b"), name: str = "toy", seed: int = 0) -> Folded:
    return folded(name, chosen_of(some), list(labels), folds, seed)


@pytest.mark.parametrize("folds", [2, 4, 7])
def test_drawn_folds_are_a_partition_of_equal_parts(folds: int) -> None:
    found = cut(some_part(), folds)
    assert len(found.folds) == folds
    assert found.folds[0].start == 0
    assert found.folds[-1].stop == len(found)
    assert {fold.end for fold in found.folds} == {len(found)}
    assert [fold.stop for fold in found.folds[:-1]] == [fold.start for fold in found.folds[1:]]
    sizes = [fold.stop - fold.start for fold in found.folds]
    assert max(sizes) - min(sizes) <= 1
    np.testing.assert_array_equal(np.bincount(found.block), sizes)
    rows = np.concatenate([piece.rows for piece in found.pieces().values()])
    np.testing.assert_array_equal(np.sort(rows), chosen_of(some_part()).rows)


def test_each_pattern_is_dealt_to_all_folds_within_one_row() -> None:
    found = cut(some_part(), 4)
    a, b = (found.part.labels[name][found.where] for name in ("a", "b"))
    for pattern in {*zip(a.tolist(), b.tolist(), strict=True)}:
        mine = (a == pattern[0]) & (b == pattern[1])
        counts = np.bincount(found.block[mine], minlength=4)
        assert counts.max() - counts.min() <= 1


def test_labels_lie_in_the_order_in_which_pieces_are_written() -> None:
    found = cut(some_part(), 4)
    rows = np.concatenate([piece.rows for piece in found.pieces().values()])
    np.testing.assert_array_equal(found.labels("a"), found.part.labels["a"][rows])
    assert list(found.pieces()) == [fold.start for fold in found.folds]


def test_folds_depend_on_seed_and_source_alone() -> None:
    first, same = (cut(some_part(), 4).block for _ in range(2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, cut(some_part(), 4, seed=1).block)
    assert not np.array_equal(first, cut(some_part(), 4, name="other").block)


def test_no_group_is_in_two_folds_and_folds_are_even() -> None:
    groups = np.random.default_rng(1).integers(0, 60, ROWS) * 7
    found = cut(some_part(group=groups), 5)
    own = groups[found.where]
    assert all(len(set(found.block[own == group])) == 1 for group in set(own))
    sizes = np.bincount(found.block)
    assert sizes.min() > 0.9 * len(found) / 5


def test_one_large_group_is_a_fold_of_its_own() -> None:
    groups = np.where(np.arange(ROWS) < 200, 0, np.arange(ROWS))
    found = cut(some_part(group=groups), 3)
    large = found.block[groups[found.where] == 0]
    assert len(set(large)) == 1
    assert np.bincount(found.block)[large[0]] == len(large)


def test_a_fold_of_time_comes_after_all_that_it_is_learnt_from() -> None:
    times = np.random.default_rng(2).permutation(ROWS) // 3
    found = cut(some_part(time=times), 4)
    ordered = np.concatenate([times[piece.rows] for piece in found.pieces().values()])
    assert len(found.folds) == 4
    for fold in found.folds:
        assert fold.end == fold.stop
        assert 0 < fold.start < fold.stop
        assert ordered[: fold.start].max() < ordered[fold.start : fold.stop].min()
    assert found.folds[-1].stop == len(found)
    sizes = np.bincount(found.block)
    assert len(sizes) == 5
    assert sizes.max() - sizes.min() <= 6


def test_as_many_times_as_blocks_are_enough_however_uneven() -> None:
    times = np.array([0] * 400 + [1, 2, 3][: ROWS - 400])
    found = folded("toy", Chosen(some_part(time=times), np.ones(ROWS, bool)), ["a"], 3, 0)
    assert found.folds == (Fold(400, 401, 401), Fold(401, 402, 402), Fold(402, 403, 403))


@pytest.mark.parametrize(
    ("more", "folds", "told"),
    [
        ({}, 100, "training.folds=100: source 'toy' has 27 rows"),
        ({"group": np.arange(30) // 10}, 4, "training.folds=4: source 'toy' has 3 groups, and none can be in two"),
        ({"time": np.arange(30) // 10}, 3, "training.folds=3: source 'toy' has 3 times, 4 are needed"),
        ({"split": np.arange(30) % 3}, 3, "training.folds=3: source 'toy' says itself which rows are validation"),
    ],
)
def test_what_cannot_be_folded_is_said(more: dict[str, Any], folds: int, told: str) -> None:
    with pytest.raises(UserError, match=told):
        cut(some_part(30, **more), folds)


def test_a_task_without_a_label_in_a_fold_is_named_with_the_fold() -> None:
    targets = np.zeros(12, np.int64)
    targets[4:8] = -1
    folds = [Fold(0, 4, 12), Fold(4, 8, 12), Fold(8, 12, 12)]
    with pytest.raises(UserError, match=r"^task 'odd': no row of fold 1 has a label: lower training\.folds$"):
        of_folds("odd", targets, folds, 2)
    chained = [Fold(4, 8, 8), Fold(8, 12, 12)]
    with pytest.raises(UserError, match=r"^task 'odd': no row of what fold 0 would be learnt from has a label"):
        of_folds("odd", np.array([-1] * 4 + [0] * 8), chained, 2)


@pytest.mark.parametrize("targets", [np.ones(8, np.float32), np.ones((8, 3), np.float32)])
def test_a_fold_in_which_nothing_can_be_measured_is_named(targets: np.ndarray) -> None:
    targets[6] = 0.0
    with pytest.raises(UserError, match="task 'x': all rows of fold 0 have the same target"):
        of_folds("x", targets, [Fold(0, 4, 8), Fold(4, 8, 8)], 0 if targets.ndim == 1 else 3)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """A source of random patterns and one that is chained, in three folds, without validation."""
    monkeypatch.setitem(SOURCES, "toy", Toy(Examples(some_part(), part_of_test(), CLASSES, scale=2.0)))
    times = Examples(some_part(time=np.arange(ROWS)[::-1].copy()), None, CLASSES)
    monkeypatch.setitem(SOURCES, "later", Toy(times))
    out = tmp_path / "out"
    out.mkdir()
    prepare(experiment(), place(tmp_path), out, quiet)
    return open_prepared(out)


def part_of_test() -> Part:
    return some_part(20)


def experiment(folds: int = 3) -> Experiment:
    tasks = {
        "a": {"kind": "multiclass", "source": "toy"},
        "b": {"kind": "binary", "source": "toy"},
        "n": {"kind": "regression", "source": "toy"},
        "last": {"kind": "multiclass", "source": "later", "label": "a"},
    }
    return Experiment.model_validate(
        {"name": "toy", "tasks": tasks, "training": {"folds": folds}, "data": {"validation": 0.0}}
    )


def held(opened: Prepared) -> Iterator[Prepared]:
    return (opened.holding_out(fold) for fold in range(3))


def test_prepared_folds_hold_every_row_once_with_its_own_labels(opened: Prepared) -> None:
    whole = some_part()
    assert set(opened.sources["toy"].rows) == {"train", "test"}
    seen = []
    for own in held(opened):
        split = own.split("validation")
        numbers = split.inputs["toy"][:, 0].astype(int)
        np.testing.assert_array_equal(split.labels["a"], whole.labels["a"][numbers])
        np.testing.assert_array_equal(split.labels["b"], whole.labels["b"][numbers])
        assert len(numbers) == own.sources["toy"].rows["validation"] == split.rows["toy"]
        seen.extend(numbers)
    assert sorted(seen) == list(range(ROWS))
    assert isinstance(split.inputs["toy"], np.memmap)


def test_what_a_fold_is_trained_on_are_the_rows_outside_it(opened: Prepared) -> None:
    for own in held(opened):
        train, validation = own.split("train"), own.split("validation")
        batches = in_order(own.only(["a"]), own.only(["a"]).split("train"), 64)
        numbers = np.concatenate([batch.inputs["toy"][0, :, 0].numpy().astype(int) for batch in batches])
        assert len(numbers) == train.rows["toy"] == own.sources["toy"].rows["train"]
        assert {*numbers} | {*validation.inputs["toy"][:, 0].astype(int)} == {*range(ROWS)}


def test_a_chained_source_is_never_trained_on_what_is_later(opened: Prepared) -> None:
    assert opened.chained
    assert opened.only(["a"]).chained  # so that seeds of a baseline hold out what the shared networks do
    for own in held(opened):
        gap = own.split("train").without["later"]
        assert gap.stop == len(own.split("train").inputs["later"])
        # The source's rows run backwards in time.
        past, future = own.split("train").inputs["later"][: gap.start, 0], own.split("validation").inputs["later"][:, 0]
        assert past.min() > future.max()


def test_counts_are_those_of_the_fold(opened: Prepared) -> None:
    for own in held(opened):
        split, task = own.split("validation"), own.tasks["b"]
        assert task.counts["validation"] == [int((split.labels["b"] == it).sum()) for it in (0, 1)]
        assert sum(task.counts["train"]) + sum(task.counts["validation"]) == int((some_part().labels["b"] >= 0).sum())
        assert own.tasks["n"].labelled["train"] == [own.sources["toy"].rows["train"]]
        assert own.tasks["n"].counts == {}


def test_the_unit_of_a_number_is_that_of_the_whole_training_part(opened: Prepared) -> None:
    values = some_part().labels["n"]
    assert opened.tasks["n"].mean == pytest.approx(values.mean())
    assert opened.holding_out(1).tasks["n"].std == opened.tasks["n"].std == pytest.approx(values.std())


def test_the_test_rows_are_those_of_the_experiment_without_folds(
    opened: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Experiment.model_validate(experiment().model_dump(mode="json") | {"training": {}, "data": {}})
    out = tmp_path / "plain"
    out.mkdir()
    prepare(plain, place(tmp_path), out, quiet)
    for source in ("toy", "later"):
        with_, without = (open_split(it, "test").inputs[source] for it in (opened, open_prepared(out)))
        np.testing.assert_array_equal(with_, without)


def test_there_is_no_validation_split_but_in_a_fold(opened: Prepared) -> None:
    with pytest.raises(ValueError, match="there is no validation split"):
        opened.split("validation")
    assert opened.holding_out(None) is opened
