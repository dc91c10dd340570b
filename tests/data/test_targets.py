"""Targets of every kind as they are stored, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, known, open_prepared, open_split
from pipeline.data.sources import SOURCES, Examples
from pipeline.data.targets import targets_of
from pipeline.errors import UserError

from .files import Toy, experiment, part, place, quiet

ROWS = 200
DRAWS = np.random.default_rng(0)
LABELS = {
    "kind": DRAWS.integers(0, 3, ROWS),
    "marks": np.where(DRAWS.random((ROWS, 2)) < 0.1, np.nan, DRAWS.integers(0, 2, (ROWS, 2)).astype(float)),
    "price": np.where(DRAWS.random(ROWS) < 0.2, np.nan, DRAWS.normal(300.0, 25.0, ROWS)),
}
CLASSES = {"kind": ["a", "b", "c"], "marks": ["old", "new"], "price": []}
TASKS = {
    "marks": {"kind": "multilabel", "source": "toy"},
    "price": {"kind": "regression", "source": "toy", "loss": "huber"},
}


def prepared(
    monkeypatch: pytest.MonkeyPatch, folder: Path, labels: dict[str, np.ndarray] | None = None, **task: str
) -> Prepared:
    examples = Examples(part(LABELS | (labels or {})), None, CLASSES)
    monkeypatch.setitem(SOURCES, "toy", Toy(examples))
    tasks = {"wrong": {"source": "toy", **task}} if task else TASKS
    prepare(experiment(tasks), place(folder), folder, quiet)
    return open_prepared(folder)


def test_numbers_are_standardised_by_the_training_split_alone(monkeypatch, tmp_path):
    data = prepared(monkeypatch, tmp_path)
    price = data.tasks["price"]
    splits = {name: open_split(data, name) for name in ("train", "validation", "test")}
    rows = {name: split.inputs["toy"][:, 0].astype(int) for name, split in splits.items()}
    train = LABELS["price"][rows["train"]]
    assert price.mean == pytest.approx(np.nanmean(train))
    assert price.std == pytest.approx(np.nanstd(train))
    for name, split in splits.items():
        stored = split.labels["price"]
        assert stored.dtype == np.float32
        np.testing.assert_allclose(stored * price.std + price.mean, LABELS["price"][rows[name]], rtol=1e-6)
        assert price.labelled[name] == [known(stored).sum()]


def test_the_range_of_the_training_targets_is_kept_unless_answers_are_not_clipped(monkeypatch, tmp_path):
    data = prepared(monkeypatch, tmp_path)
    price, split = data.tasks["price"], open_split(data, "train")
    train = LABELS["price"][split.inputs["toy"][:, 0].astype(int)]
    assert (price.low, price.high) == (np.nanmin(train), np.nanmax(train))
    stored = split.labels["price"]
    assert [np.float32(it) for it in price.bounds] == [np.nanmin(stored), np.nanmax(stored)]
    assert data.tasks["marks"].bounds == (-np.inf, np.inf)
    monkeypatch.setitem(TASKS, "price", TASKS["price"] | {"clip": None})
    (tmp_path / "other").mkdir()
    assert prepared(monkeypatch, tmp_path / "other").tasks["price"].bounds == (-np.inf, np.inf)


def test_several_labels_are_stored_side_by_side(monkeypatch, tmp_path):
    data = prepared(monkeypatch, tmp_path)
    marks = data.tasks["marks"]
    assert (marks.classes, marks.outputs) == (("old", "new"), 2)
    for name in ("train", "validation", "test"):
        split = open_split(data, name)
        numbers = split.inputs["toy"][:, 0].astype(int)
        np.testing.assert_array_equal(split.labels["marks"], LABELS["marks"][numbers].astype(np.float32))
        assert marks.counts[name] == np.nansum(split.labels["marks"], 0).tolist()
        assert marks.labelled[name] == known(split.labels["marks"]).sum(0).tolist()


def test_splits_keep_the_share_of_every_quarter_of_a_number(monkeypatch, tmp_path):
    data = prepared(monkeypatch, tmp_path)
    edges = np.nanquantile(LABELS["price"], (0.25, 0.5, 0.75))
    price = data.tasks["price"]
    for name in ("train", "test"):
        stored = open_split(data, name).labels["price"]
        values = stored[known(stored)] * price.std + price.mean
        shares = np.bincount(np.digitize(values, edges), minlength=4) / len(values)
        np.testing.assert_allclose(shares, 0.25, atol=0.1)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"kind": "regression", "label": "kind"}, "regression needs numbers, label 'kind' holds one class a row"),
        ({"kind": "multiclass", "label": "price"}, "multiclass needs one class a row, label 'price' holds numbers"),
        (
            {"kind": "multilabel", "label": "price"},
            "multilabel needs several labels a row, label 'price' holds numbers",
        ),
        (
            {"kind": "binary", "label": "marks"},
            "binary needs one class a row, label 'marks' holds several labels a row",
        ),
    ],
)
def test_a_label_of_another_form_is_refused(task, message, monkeypatch, tmp_path):
    with pytest.raises(UserError, match=message):
        prepared(monkeypatch, tmp_path, **task)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full(ROWS, 4.0), "every row of train has the same target, 4"),
        (np.full(ROWS, np.nan), "task 'price': no row of train has a label"),
        (np.where(np.arange(ROWS) % 2 == 0, 0.3, 0.1 + 0.2), "the same target, 0.3 but for rounding"),
        (np.where(np.arange(ROWS) % 20 == 0, np.inf, LABELS["price"]), "a target in .*, inf, is no number to compute"),
        (np.where(np.arange(ROWS) % 20 == 0, -1e300, LABELS["price"]), "a target in .*, -1e.300, is no number to"),
    ],
)
def test_numbers_that_teach_nothing_are_refused(values, message, monkeypatch, tmp_path):
    with pytest.raises(UserError, match=message):
        prepared(monkeypatch, tmp_path, {"price": values})


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30])
def test_numbers_of_any_scale_are_stored_as_numbers(scale: float) -> None:
    values = scale * np.array([1.0, 2.0, 4.0])
    stored = targets_of("it", dict.fromkeys(("train", "test"), values), [])
    mean, std = stored.about["mean"], stored.about["std"]
    np.testing.assert_allclose(stored.arrays["test"].astype(float) * std + mean, values, rtol=1e-6)


def test_a_target_too_large_beside_those_of_train_is_refused() -> None:
    labels = {"train": 1e-30 * np.arange(9.0), "test": np.array([1e30])}
    with pytest.raises(UserError, match=r"task 'it': a target in test, 1e\+30, is too large beside those of train"):
        targets_of("it", labels, [])


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("empty", [np.full(3, -1), np.full(3, np.nan), np.full((3, 2), np.nan)])
def test_a_split_without_any_target_is_refused_by_its_name(split, empty):
    labels = dict.fromkeys(("train", "validation", "test"), np.ones_like(empty)) | {split: empty}
    with pytest.raises(UserError, match=f"task 'it': no row of {split} has a label"):
        targets_of("it", labels, ["old", "new"])
