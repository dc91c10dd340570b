import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import written as module
from pipeline.data.leaks import suspicions
from pipeline.data.prepare import prepare
from pipeline.data.prepared import checksum, open_prepared, open_split
from pipeline.data.sources import SOURCES, Examples
from pipeline.data.test_split import open_test_split
from pipeline.errors import Failure, UserError

from .files import Toy, experiment, mnist_arrays, part, place, quiet, write_mnist

CLASSES = {"a": ["zero", "one", "two"], "b": ["no", "yes"]}
A = np.arange(90) % 3
B = np.where(np.arange(90) % 5 == 0, -1, np.arange(90) // 3 % 2)
TASKS = {"a": {"kind": "multiclass", "source": "toy"}, "yes": {"kind": "binary", "source": "toy", "label": "b"}}


@pytest.fixture
def toy(monkeypatch):
    """Put examples behind the source `toy`."""

    def put(labels=None, test=None, classes=CLASSES):
        labels = labels or {"a": A, "b": B}
        monkeypatch.setitem(SOURCES, "toy", Toy(Examples(part(labels), test, classes, scale=2.0)))

    put()
    return put


def prepared(folder: Path, name: str = "out", tasks=TASKS, **data):
    out = folder / name
    out.mkdir()
    return prepare(experiment(tasks, **data), place(folder), out, quiet), out


def refused(folder: Path, tasks=TASKS, **data) -> str:
    with pytest.raises(UserError) as error:
        prepared(folder, tasks=tasks, **data)
    assert "\n" not in str(error.value)
    assert not (folder / "out" / "manifest.json").exists()
    return str(error.value)


def test_what_is_written_is_what_the_source_holds(toy, tmp_path):
    manifest, out = prepared(tmp_path)
    opened = open_prepared(out)
    assert manifest["sources"]["toy"] == {
        "shape": [3],
        "scale": 2.0,
        "rows": {"train": 65, "validation": 7, "test": 18},
        "repeated": {"validation": 0, "test": 0},
    }
    rows = []
    for name in ("train", "validation", "test"):
        split = open_split(opened, name)
        numbers = split.inputs["toy"][:, 0].astype(int)
        np.testing.assert_array_equal(split.labels["a"], A[numbers])
        np.testing.assert_array_equal(split.labels["yes"], B[numbers])
        assert split.labels["a"].dtype == np.int64
        rows.extend(numbers)
    assert sorted(rows) == list(range(90))


def test_counts_by_class_leave_missing_labels_out(toy, tmp_path):
    manifest, out = prepared(tmp_path)
    counts = {task: it["counts"] for task, it in manifest["tasks"].items()}
    for name, rows in manifest["sources"]["toy"]["rows"].items():
        assert sum(counts["a"][name]) == rows
        labels = open_split(open_prepared(out), name).labels["yes"]
        assert counts["yes"][name] == [int((labels == 0).sum()), int((labels == 1).sum())]
        assert sum(counts["yes"][name]) + int((labels == -1).sum()) == rows
    assert open_prepared(out).tasks["a"].counts == counts["a"]


def test_tasks_keep_the_order_of_the_experiment_and_name_their_classes(toy, tmp_path):
    manifest, out = prepared(tmp_path, tasks={name: TASKS[name] for name in ("yes", "a")})
    assert list(json.loads((out / "manifest.json").read_text())["tasks"]) == ["yes", "a"]
    assert manifest["tasks"]["yes"]["classes"] == ["no", "yes"]
    assert open_prepared(out).tasks["yes"].outputs == 1
    assert open_prepared(out).tasks["a"].outputs == 3


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(toy, tmp_path):
    (first, a), (_, b) = (prepared(tmp_path, name) for name in ("first", "again"))
    assert {path.name: path.read_bytes() for path in a.iterdir()} == {
        path.name: path.read_bytes() for path in b.iterdir()
    }
    other = experiment(TASKS).model_copy(update={"seed": 1})
    (tmp_path / "other").mkdir()
    assert prepare(other, place(tmp_path), tmp_path / "other", quiet)["files"] != first["files"]


def test_a_source_longer_than_a_chunk_is_written_whole(toy, tmp_path, monkeypatch):
    whole, _ = prepared(tmp_path, "whole")
    monkeypatch.setattr(module, "_CHUNK_ROWS", 7)
    assert prepared(tmp_path, "chunks")[0] == whole


def test_arrays_are_written_as_numpy_writes_them(toy, tmp_path):
    _, out = prepared(tmp_path)
    path = out / "toy.train.inputs.npy"
    np.save(tmp_path / "again.npy", np.load(path))
    assert path.read_bytes() == (tmp_path / "again.npy").read_bytes()


def test_without_a_validation_share_there_is_no_validation_split(toy, tmp_path):
    manifest, out = prepared(tmp_path, validation=0.0)
    assert set(manifest["sources"]["toy"]["rows"]) == {"train", "test"}
    with pytest.raises(ValueError, match="no validation split"):
        open_prepared(out).split("validation")


def test_sources_of_several_tasks_and_kinds_are_prepared_together(toy, tmp_path):
    write_mnist(tmp_path / "shipped" / "MNIST" / "raw", mnist_arrays(200, 20))
    out = tmp_path / "out"
    out.mkdir()
    lines: list[str] = []
    both = experiment(TASKS | {"digit": {"kind": "multiclass", "source": "mnist"}})
    manifest = prepare(both, place(tmp_path, "sample"), out, lines.append)
    assert lines == ["reading toy", "reading mnist"]
    assert manifest["sources"]["mnist"] == {
        "shape": [28, 28], "scale": 255.0, "rows": {"train": 180, "validation": 20, "test": 20},
        "repeated": {"validation": 0, "test": 0},
    }  # fmt: skip
    assert manifest["tasks"]["digit"]["counts"]["validation"] == [2] * 10
    assert np.load(out / "mnist.train.inputs.npy").dtype == np.uint8


def test_an_unknown_label_is_answered_with_the_known_ones(toy, tmp_path):
    tasks = {"a": {"kind": "multiclass", "source": "toy", "label": "c"}}
    assert refused(tmp_path, tasks) == "tasks.a.label: source 'toy' has the labels a, b; found 'c'"


def test_a_task_that_is_no_label_must_name_one_where_there_are_several(toy, tmp_path):
    assert "found 'other'" in refused(tmp_path, {"other": {"kind": "multiclass", "source": "toy"}})


def test_a_task_takes_the_only_label_whatever_its_name(toy, tmp_path):
    toy({"a": A}, classes={"a": CLASSES["a"]})
    manifest, _ = prepared(tmp_path, tasks={"other": {"kind": "multiclass", "source": "toy"}})
    assert manifest["tasks"]["other"]["classes"] == CLASSES["a"]


def test_binary_needs_two_classes(toy, tmp_path):
    assert "binary needs two classes, label 'a' has 3" in refused(tmp_path, {"a": {"kind": "binary", "source": "toy"}})


def test_an_unknown_source_is_refused(toy, tmp_path):
    assert "did you mean 'toy'" in refused(tmp_path, {"a": {"kind": "binary", "source": "toi"}})


def test_a_class_that_validation_lacks_is_told_of(toy, tmp_path):
    toy({"a": [0] * 60 + [1] * 3 + [2] * 60}, classes={"a": CLASSES["a"]})
    manifest, _ = prepared(tmp_path, tasks={"a": TASKS["a"]}, validation=0.05)
    assert suspicions(manifest) == ["task 'a': no row of validation is 'one': what is chosen by it is blind to that"]


def test_missing_labels_in_training_alone_are_no_class_that_validation_lacks(toy, tmp_path):
    toy({"a": [0] * 60 + [-1] * 3 + [2] * 60}, classes={"a": CLASSES["a"]})
    manifest, _ = prepared(tmp_path, tasks={"a": TASKS["a"]}, validation=0.05)
    assert manifest["tasks"]["a"]["classes"] == ["zero", "two"]  # what no row has is no class
    assert suspicions(manifest) == []


@pytest.mark.parametrize(
    ("labels", "task", "line"),
    [
        ([1] * 90, {"kind": "multiclass"}, "task 'it': every row of train has the same class, 'one': there is nothing"),
        ([1] * 90, {"kind": "binary"}, "task 'it': every row of train has the same class, 'one': there is nothing"),
        ([1, -1] * 45, {"kind": "binary"}, "task 'it': every row of train has the same class, 'one': there is nothing"),
        ([[1.0, 0.0, 1.0]] * 45 + [[0.0, 1.0, 1.0]] * 45, {"kind": "multilabel"}, "label 'two' is 1 in every row of"),
    ],
)
def test_one_class_is_refused_as_a_constant_number_is(toy, tmp_path, labels, task, line):
    toy({"it": labels}, classes={"it": CLASSES["a"]})
    assert line in refused(tmp_path, {"it": {"source": "toy", **task}})


def test_a_task_without_any_label_is_refused(toy, tmp_path):
    toy({"a": A, "b": [-1] * 90})
    assert "no row of train has a label" in refused(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_failure(toy, tmp_path):
    with pytest.raises(Failure, match="cannot be written"):
        prepare(experiment(TASKS), place(tmp_path), tmp_path / "nowhere", quiet)


def test_the_groups_of_test_rows_are_numbered_and_checksummed_with_the_other_files(monkeypatch, tmp_path):
    groups = np.arange(90) // 6 * 1000 - 7
    rows = replace(part({"a": A, "b": B}), group=groups)
    monkeypatch.setitem(SOURCES, "toy", Toy(Examples(rows, None, CLASSES, scale=2.0)))
    manifest, out = prepared(tmp_path)
    opened = open_test_split(open_prepared(out)).rows
    numbers, own = opened.groups["toy"], groups[opened.inputs["toy"][:, 0].astype(int)]
    assert numbers.dtype == np.int64
    assert set(numbers) == set(range(len(set(own))))
    assert len(set(zip(numbers, own, strict=True))) == len(set(own))
    assert manifest["files"]["toy.test.groups.npy"] == checksum(out / "toy.test.groups.npy")


def test_rows_without_groups_leave_no_file_of_them(toy, tmp_path):
    manifest, out = prepared(tmp_path)
    assert not [name for name in manifest["files"] if "groups" in name]
    assert open_test_split(open_prepared(out)).rows.groups == {}
