"""The constant prediction is the best answer that looks at no input, and its scores can be resampled like any."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.analysis.metrics import TaskScores
from pipeline.analysis.references import CONSTANT, constant, references
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, Split

SOURCE = PreparedSource((2,), 1.0, {})


def scored(task: PreparedTask, train: Sequence, test: Sequence) -> tuple[TaskScores, str]:
    """The scores of the constant, and what it answers; of targets as they are stored."""
    dtype = np.int64 if task.kind in ("multiclass", "binary", "tagging") else np.float32
    splits = [
        Split({"it": np.zeros((len(its), 2), np.float32)}, {"task": np.array(its, dtype)}) for its in (train, test)
    ]
    found = references(Prepared(Path(), {"it": SOURCE}, {"task": task}), *splits, 0, None)
    return found.scores[CONSTANT]["task"], found.constants["task"]


def test_of_classes_it_is_the_most_frequent_one() -> None:
    task = PreparedTask("multiclass", "it", ("a", "b", "c", "never"))
    found, text = scored(task, [0, 1, 1, 2, -1, -1, -1, -1], [1, 1, 0, 2, 3, -1])
    assert text == "b"
    assert found.metrics["accuracy"][0] == pytest.approx(2 / 5)
    assert found.metrics["balanced_accuracy"][0] == pytest.approx(1 / 4)
    assert np.isfinite(found.metrics["nll"][0])
    assert found.labelled.tolist() == [True] * 5 + [False]


def test_of_two_classes_it_is_the_more_frequent_one_at_its_share() -> None:
    task = PreparedTask("binary", "it", ("no", "yes"))
    found, text = scored(task, [0, 0, 0, 1], [0, 1, 1])
    assert text == "no"
    assert found.metrics["accuracy"][0] == pytest.approx(1 / 3)
    assert found.metrics["roc_auc"][0] == 0.5
    assert found.metrics["nll"][0] == pytest.approx(-(np.log(3 / 4) + 2 * np.log(1 / 4)) / 3, rel=1e-6)


def test_of_numbers_it_is_the_mean_in_their_unit() -> None:
    task = replace(PreparedTask("regression", "it", ()), mean=100.0, std=10.0)
    found, text = scored(task, [-1.0, 1.0, 3.0, np.nan], [1.0, 3.0, -1.0, np.nan])
    assert text == "110"
    assert found.metrics["r2"][0] == pytest.approx(0.0)
    assert found.metrics["mae"][0] == pytest.approx(10.0 * 4 / 3)


def test_of_labels_it_is_the_share_of_each() -> None:
    task = PreparedTask("multilabel", "it", ("often", "seldom", "unknown"))
    train = [[1, 0, np.nan], [1, 0, np.nan], [0, 1, np.nan], [np.nan, 0, np.nan]]
    found, text = scored(task, train, [[1, 0, 1], [0, 1, 0], [1, np.nan, 1]])
    assert text == "the share of each label"
    assert found.metrics["roc_auc"][0] == 0.5
    losses = [np.log(2 / 3)] * 2 + [np.log(1 / 3), np.log(3 / 4), np.log(1 / 4)] + [np.log(1 / 2)] * 3
    assert found.metrics["nll"][0] == pytest.approx(-np.mean(losses), rel=1e-6)


@pytest.mark.parametrize("tags", [[[0, 1, 0], [0, -1, -1]], [[1, 1, 1], [1, 0, -1]]])
def test_of_tags_it_is_outside_whatever_is_most_frequent(tags: list[list[int]]) -> None:
    task = replace(PreparedTask("tagging", "it", ("O", "B-PER", "I-PER")), length=3)
    found, text = scored(task, tags, [[0, 1, 2], [0, 0, -1]])
    assert text == "O"
    assert found.metrics["accuracy"][0] == pytest.approx(3 / 5)
    assert found.metrics["entity_f1"][0] == 0.0


@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel", "regression", "tagging"])
def test_its_scores_are_resampled_like_any(kind: str) -> None:
    draws = np.random.default_rng(0)
    targets = {
        "multiclass": draws.integers(3, size=200),
        "binary": draws.integers(2, size=200),
        "multilabel": draws.integers(2, size=(200, 3)),
        "regression": draws.normal(size=200),
        "tagging": draws.integers(3, size=(200, 4)),
    }[kind]
    classes = {"binary": ("no", "yes"), "regression": ()}.get(kind, ("O", "B-A", "I-A"))
    found, _ = scored(PreparedTask(kind, "it", classes, length=4 if kind == "tagging" else 0), targets, targets)
    assert found.seeds == 1
    level = float(found.metrics[found.primary][0])
    assert np.isfinite(found.resampled).all()
    assert np.mean(found.resampled) == pytest.approx(level, abs=0.02)
    if kind in ("binary", "multilabel"):
        np.testing.assert_allclose(found.resampled, 0.5 if found.primary == "roc_auc" else level, atol=0.2)


def test_many_rows_are_counted_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [scored(PreparedTask("regression", "it", ()), its, its)[1] for its in ([1, 2, 3, 4, 9], [np.nan, 1, 5])]
    monkeypatch.setattr(constant, "_PART", 2)
    parts = [scored(PreparedTask("regression", "it", ()), its, its)[1] for its in ([1, 2, 3, 4, 9], [np.nan, 1, 5])]
    assert parts == whole == ["3.8", "3"]
