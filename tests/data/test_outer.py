"""Where every row tests: each replicate's split is its own, and nothing of its test rows is known to it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.leaks import suspicions
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared, open_split
from pipeline.data.sources import SOURCES, SPLITS, Examples, Part
from pipeline.data.test_split import open_test_split
from pipeline.errors import UserError

from .files import Toy, experiment, part, place, quiet

ROWS = 203
DRAWS = np.random.default_rng(0)
A = DRAWS.choice(3, ROWS, p=[0.6, 0.3, 0.1])
N = DRAWS.normal(size=ROWS)
CLASSES = {"a": ["x", "y", "z"], "n": []}
TASKS = {"a": {"kind": "multiclass", "source": "toy"}, "n": {"kind": "regression", "source": "toy"}}
FOLDS = {"folds": 5, "repeats": 2}


@pytest.fixture
def toy(monkeypatch):
    """Put examples behind the source `toy`: every row's inputs are its number, unless given."""

    def put(rows: int = ROWS, inputs: Any = None, name: str = "toy", **more: Any) -> None:
        made = part({"a": A[:rows], "n": N[:rows]})
        test = more.pop("test", None)
        train = Part(made.inputs if inputs is None else inputs, made.labels, **more)
        monkeypatch.setitem(SOURCES, name, Toy(Examples(train, test, CLASSES)))

    put()
    return put


def prepared(folder: Path, name: str = "out", tasks: Any = TASKS, report: Any = quiet, **data: Any) -> Prepared:
    out = folder / name
    out.mkdir()
    prepare(experiment(tasks, **{"test": FOLDS, **data}), place(folder), out, report)
    return open_prepared(out)


def rows_of(of: Prepared, split: str, source: str = "toy") -> np.ndarray:
    """Which rows a split has: each one's inputs are its number."""
    return open_split(of, split).inputs_of(source)[:, 0].astype(int)


def refused(folder: Path, **data: Any) -> str:
    with pytest.raises(UserError) as error:
        prepared(folder, **data)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_row_tests_once_in_each_repeat_and_is_else_train_or_validation(toy, tmp_path) -> None:
    data = prepared(tmp_path)
    assert len(data.replicates) == 10
    for repeat in (data.replicates[:5], data.replicates[5:]):
        np.testing.assert_array_equal(np.sort(np.concatenate([rows_of(it, "test") for it in repeat])), np.arange(ROWS))
    for it in data.replicates:
        own = [rows_of(it, split) for split in SPLITS]
        np.testing.assert_array_equal(np.sort(np.concatenate(own)), np.arange(ROWS))
        assert it.sources["toy"].rows == {name: len(rows) for name, rows in zip(SPLITS, own, strict=True)}
    assert {it.sources["toy"].rows["test"] for it in data.replicates} == {40, 41}
    assert len({it.sources["toy"].rows["train"] for it in data.replicates}) == 1


def test_the_assignment_says_which_fold_tests_a_row(toy, tmp_path) -> None:
    data = prepared(tmp_path)
    of = np.load(data.folder / "toy.outer.npy")
    assert of.shape == (ROWS, 2)
    for number, it in enumerate(data.replicates):
        np.testing.assert_array_equal(rows_of(it, "test"), np.flatnonzero(of[:, number // 5] == number % 5))
    assert not np.array_equal(*of.T)


def test_all_rows_but_validation_are_train_for_the_network_that_is_put_to_use(toy, tmp_path) -> None:
    data = prepared(tmp_path)
    assert data.sources["toy"].rows == {"train": 183, "validation": 20}
    own = [rows_of(data, split) for split in ("train", "validation")]
    np.testing.assert_array_equal(np.sort(np.concatenate(own)), np.arange(ROWS))
    assert data.whole().replicates == ()


def test_statistics_of_a_replicate_are_those_of_its_own_training_rows(toy, tmp_path) -> None:
    for it in (data := prepared(tmp_path)).replicates:
        train = rows_of(it, "train")
        assert it.tasks["n"].mean == pytest.approx(N[train].mean())
        assert it.tasks["a"].counts["train"] == np.bincount(A[train]).tolist()
        for split in SPLITS:
            targets = open_split(it, split).labels["n"] * it.tasks["n"].std + it.tasks["n"].mean
            np.testing.assert_allclose(targets, N[rows_of(it, split)], rtol=1e-4, atol=1e-5)
    assert len({it.tasks["n"].mean for it in data.replicates}) == 10


def test_inputs_without_an_encoding_are_stored_once(toy, tmp_path) -> None:
    data = prepared(tmp_path)
    assert [str(path.relative_to(data.folder)) for path in data.folder.rglob("*.inputs.npy")] == ["toy.inputs.npy"]
    for it in (data, *data.replicates):
        split = it.split("train")
        np.testing.assert_array_equal(split.inputs_of("toy"), split.inputs["toy"][split.at["toy"]])
        assert split.rows == {"toy": it.sources["toy"].rows["train"]}


def test_the_test_split_opens_for_all_replicates_together(toy, tmp_path) -> None:
    data = prepared(tmp_path)
    opened = open_test_split(data)
    assert len(opened.replicates) == len(opened.numbers) == 10
    for number, it in enumerate(data.replicates):
        np.testing.assert_array_equal(opened.numbers[number]["toy"], rows_of(it, "test"))
        np.testing.assert_array_equal(opened.of(number).labels["a"], A[rows_of(it, "test")])


def test_groups_stay_whole_and_are_numbered_alike_in_all_replicates(toy, tmp_path) -> None:
    group = DRAWS.integers(100, 130, ROWS)
    toy(group=group)
    data = prepared(tmp_path)
    opened = open_test_split(data)
    for number, it in enumerate(data.replicates):
        own = [set(group[rows_of(it, split)]) for split in SPLITS]
        assert sum(map(len, own)) == len(set(group))
        expected = np.unique(group, return_inverse=True)[1][rows_of(it, "test")]
        np.testing.assert_array_equal(opened.of(number).groups["toy"], expected)


def test_rows_with_the_same_inputs_are_tested_together_and_told(toy, tmp_path) -> None:
    numbers = np.arange(ROWS, dtype=np.float32)
    numbers[[3, 50, 120]] = 7
    toy(inputs=np.repeat(numbers[:, None], 3, 1))
    data = prepared(tmp_path)
    of = np.load(data.folder / "toy.outer.npy")
    assert all(len(set(of[[3, 7, 50, 120], repeat])) == 1 for repeat in range(2))
    for it in data.replicates:
        assert not {*rows_of(it, "test")} & {*rows_of(it, "train"), *rows_of(it, "validation")}
    manifest = json.loads((data.folder / "manifest.json").read_text())
    assert "toy: 4 rows have the very inputs of another row: where one tests, no such row trains" in suspicions(
        manifest
    )


def test_rows_with_the_same_inputs_join_their_groups(toy, tmp_path) -> None:
    group, numbers = np.arange(ROWS) // 8, np.arange(ROWS, dtype=np.float32)
    numbers[8 * 5] = 0  # group 5 has a row of group 0
    toy(group=group, inputs=np.repeat(numbers[:, None], 3, 1))
    of = np.load(prepared(tmp_path).folder / "toy.outer.npy")
    for repeat in range(2):
        assert len(set(of[np.isin(group, [0, 5]), repeat])) == 1


def test_rows_with_a_time_test_in_later_blocks_only(toy, tmp_path) -> None:
    time = DRAWS.permutation(ROWS)
    toy(time=time)
    lines: list[str] = []
    data = prepared(tmp_path, report=lines.append)
    assert f"1 repeat instead of 2: source 'toy' has {ROWS} different times, and the first two test nothing" in lines
    assert len(data.replicates) == 5
    assert json.loads((data.folder / "manifest.json").read_text())["outer"]["once"]
    last = -1
    for it in data.replicates:
        train, validation, test = (time[rows_of(it, split)] for split in SPLITS)
        assert last < train.max() < validation.min() <= validation.max() < test.min()
        last = train.max()
    assert time[rows_of(data.replicates[-1], "test")].max() == ROWS - 1
    of = np.load(data.folder / "toy.outer.npy")[:, 0]
    assert np.count_nonzero(of < 0) == pytest.approx(ROWS / 2, abs=1)
    assert set(time[of < 0]) == set(range(np.count_nonzero(of < 0)))


def test_an_earlier_row_with_the_inputs_of_a_tested_one_is_not_learnt_from(toy, tmp_path) -> None:
    numbers = np.arange(ROWS, dtype=np.float32)
    numbers[4] = ROWS - 1
    toy(time=np.arange(ROWS), inputs=np.repeat(numbers[:, None], 3, 1))
    data = prepared(tmp_path)
    has_it = [np.isin(4, open_split(it, "train").at["toy"]) for it in data.replicates]
    assert has_it == [True] * 4 + [False]


def test_fewer_times_than_folds_make_fewer_folds(toy, tmp_path) -> None:
    toy(time=np.arange(ROWS) // 41)
    lines: list[str] = []
    data = prepared(tmp_path, report=lines.append)
    assert len(data.replicates) == 3
    assert "3 folds instead of 5: source 'toy' has 5 different times, and the first two test nothing" in lines


@pytest.mark.parametrize(
    ("more", "once"), [({}, False), ({"group": np.arange(ROWS) % 5}, True), ({"group": np.arange(ROWS) % 6}, False)]
)
def test_the_manifest_says_whether_there_is_one_way_to_cut(toy, tmp_path, more, once) -> None:
    toy(**more)
    assert json.loads((prepared(tmp_path).folder / "manifest.json").read_text())["outer"]["once"] is once


def test_rows_given_to_validation_stay_there(toy, tmp_path) -> None:
    split = np.zeros(ROWS, np.int8)
    split[:30] = SPLITS.index("validation")
    toy(split=split)
    data = prepared(tmp_path)
    assert (np.load(data.folder / "toy.outer.npy")[:30] == -1).all()
    for it in (data, *data.replicates):
        np.testing.assert_array_equal(rows_of(it, "validation"), np.arange(30))


def test_sources_have_folds_of_their_own_and_as_many(toy, tmp_path) -> None:
    toy(rows=60, name="other", time=np.arange(60))
    tasks = TASKS | {"b": {"kind": "multiclass", "source": "other", "label": "a"}}
    data = prepared(tmp_path, tasks=tasks)
    assert len(data.replicates) == 5
    for it in data.replicates:
        assert it.sources["toy"].rows["test"] + it.sources["toy"].rows["train"] < ROWS
    assert sum(it.sources["other"].rows["test"] for it in data.replicates) == 30


def test_folds_of_training_lie_within_a_replicate(toy, tmp_path) -> None:
    own = experiment(TASKS, test=FOLDS)
    own = own.model_copy(update={"training": own.training.model_copy(update={"folds": 3})})
    (tmp_path / "out").mkdir()
    prepare(own, place(tmp_path), tmp_path / "out", quiet)
    for number, it in enumerate(open_prepared(tmp_path / "out").replicates):
        test = set(rows_of(it, "test"))
        held = [it.holding_out(fold) for fold in range(3)]
        found = [open_of.split("validation").inputs_of("toy")[:, 0].astype(int) for open_of in held]
        np.testing.assert_array_equal(np.sort(np.concatenate(found)), sorted(set(range(ROWS)) - test))
        for view, rows in zip(held, found, strict=True):
            np.testing.assert_array_equal(view.split("validation").labels["a"], A[rows])
        assert number < 10


def test_tasks_alone_are_seen_in_every_replicate(toy, tmp_path) -> None:
    data = prepared(tmp_path).only(["n"])
    assert all(list(it.tasks) == ["n"] for it in data.replicates)
    assert data.view(3, None).tasks["n"] == data.replicates[3].tasks["n"]


@pytest.mark.parametrize("validation", [0.0, 0.1, 0.3])
def test_all_replicates_train_on_as_many_rows_where_validation_can_take_the_odd_one(toy, tmp_path, validation) -> None:
    sizes = {it.sources["toy"].rows["train"] for it in prepared(tmp_path, validation=validation).replicates}
    assert len(sizes) == (1 if validation else 2)


def test_auto_lets_every_row_of_a_small_source_test(toy, tmp_path) -> None:
    lines: list[str] = []
    data = prepared(tmp_path, test="auto", report=lines.append)
    assert len(data.replicates) == 10
    assert lines[-1] == (
        "every row tests: 5 folds x 2; rows of a replicate: toy 146 train, 16-17 validation, 40-41 test"
    )


@pytest.mark.parametrize("more", [{"time": np.arange(ROWS)}, {"test": part({"a": A[:30], "n": N[:30]})}])
def test_auto_keeps_a_test_that_is_given(toy, tmp_path, more) -> None:
    toy(**more)
    assert prepared(tmp_path, test="auto").replicates == ()


def test_auto_keeps_one_split_of_many_rows(toy, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.data.outer.SMALL", ROWS)
    auto, share = prepared(tmp_path, test="auto"), prepared(tmp_path, "share", test=0.2)
    assert auto.replicates == ()
    names = [path.name for path in sorted(share.folder.iterdir())]
    assert [path.name for path in sorted(auto.folder.iterdir())] == names
    assert all((auto.folder / name).read_bytes() == (share.folder / name).read_bytes() for name in names)


def test_auto_takes_one_split_where_a_replicate_lacks_something(toy, tmp_path) -> None:
    numbers, split = np.arange(ROWS, dtype=np.float32), np.zeros(ROWS, np.int8)
    split[:30] = SPLITS.index("validation")
    numbers[100:110] = 100  # the only targets of train, which one fold alone tests
    known = np.where((np.arange(ROWS) < 30) | (numbers == 100), N, np.nan)
    whole = part({"a": A, "n": known})
    train = Part(np.repeat(numbers[:, None], 3, 1), whole.labels, split=split)
    SOURCES["toy"] = Toy(Examples(train, None, CLASSES))
    lines: list[str] = []
    data = prepared(tmp_path, test="auto", report=lines.append)
    assert data.replicates == ()
    assert data.sources["toy"].rows == {"train": 138, "validation": 30, "test": 35}
    remedy = "(or lower data.test.folds, or give data.test a share)"
    assert lines[-1].startswith("one split tests, and not every row: replicate ")
    assert lines[-1].endswith(remedy)
    assert not list(data.folder.glob("replicates*"))
    assert refused(tmp_path, name="folds").endswith(remedy)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"rows": 12}, "has 12 rows, and a fold needs 4: lower data.test.folds to 3, or give data.test a share"),
        ({"group": np.zeros(ROWS, int)}, "has 1 different group, and none can be in two folds: leave out its group"),
        ({"group": np.arange(ROWS) % 4}, "has 4 different groups, and none can be in two folds: lower data.test."),
        ({"time": np.zeros(ROWS, int)}, "has 1 different time, and the first two test nothing: leave out its time"),
        ({"inputs": np.ones((ROWS, 3), np.float32)}, "has 1 different row, and none can be in two folds"),
        ({"test": part({"a": A[:9], "n": N[:9]})}, "data.test.folds: source 'toy' itself says which rows test"),
    ],
)  # fmt: skip
def test_folds_that_cannot_be_had_are_refused_in_one_line(toy, tmp_path, more, says) -> None:
    toy(**more)
    assert says in refused(tmp_path)


def test_a_class_with_fewer_rows_than_folds_is_refused_or_makes_fewer(toy, tmp_path) -> None:
    labels = {"a": np.where(np.arange(ROWS) < 3, 2, np.arange(ROWS) % 2), "n": N}
    SOURCES["toy"] = Toy(Examples(part(labels), None, CLASSES))
    why = "source 'toy' has 3 rows of class 'z' of label 'a'"
    assert refused(tmp_path) == (
        f"data.test.folds=5: {why}: lower data.test.folds to 3, or give data.test a share, such as 0.2"
    )
    lines: list[str] = []
    data = prepared(tmp_path, "auto", test="auto", report=lines.append)
    assert len(data.replicates) == 6
    assert f"3 folds instead of 5: {why}" in lines
    assert all(it.tasks["a"].counts["test"][2] == 1 for it in data.replicates)


def test_the_same_seed_writes_the_same_bytes(toy, tmp_path) -> None:
    one, other = prepared(tmp_path, "one"), prepared(tmp_path, "other")
    files = sorted(str(path.relative_to(one.folder)) for path in one.folder.rglob("*") if path.is_file())
    assert len(files) > 100
    assert all((one.folder / name).read_bytes() == (other.folder / name).read_bytes() for name in files)
