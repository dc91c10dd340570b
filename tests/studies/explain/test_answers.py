"""What networks predict of rows, in words, beside what is true."""

import numpy as np
import pytest
import torch

from pipeline.serving.specification import TaskSpec
from pipeline.studies.explain.answers import Answers


def test_a_class_is_named_with_its_probability() -> None:
    task = TaskSpec("multiclass", "rows", ["a", "<b>", "c"])
    it = Answers(task, torch.tensor([[2.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 0.5]]), np.array([0, 2, -1]))
    # exp(2) / (exp(2) + 2)
    assert [it.predicted(row) for row in range(3)] == ["a (78.7 %)", "<b> (> 99.9 %)", "c (45.2 %)"]
    assert [it.truth(row) for row in range(3)] == ["a", "c", "unknown"]
    assert it.wrong.tolist() == [False, True, False]
    assert it.signs.tolist() == [1, 1, 1]


def test_of_two_classes_what_speaks_for_the_output_speaks_against_the_first() -> None:
    it = Answers(TaskSpec("binary", "rows", ["no", "yes"]), torch.tensor([[1.0], [-1.0]]), np.array([1, 1]))
    assert [it.predicted(row) for row in range(2)] == ["yes (73.1 %)", "no (73.1 %)"]
    assert it.wrong.tolist() == [False, True]
    assert it.signs.tolist() == [1, -1]


def test_labels_are_those_above_their_thresholds() -> None:
    task = TaskSpec("multilabel", "rows", ["old", "loud"], thresholds=[0.5, 0.8])
    nan = float("nan")
    labels = np.array([[1.0, 0.0], [0.0, 0.0], [nan, 1.0], [nan, nan]], np.float32)
    it = Answers(task, torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, 2.0], [0.0, 9.0]]), labels)
    said = ["old (73.1 %)", "none", "old (73.1 %), loud (88.1 %)", "loud (> 99.9 %)"]
    assert [it.predicted(row) for row in range(4)] == said
    assert [it.truth(row) for row in range(4)] == ["old", "none", "loud", "unknown"]
    assert it.wrong.tolist() == [False, False, False, False]
    assert Answers(task, torch.tensor([[1.0, 2.0]]), labels[:1]).wrong.tolist() == [True]


def test_a_number_is_in_the_targets_own_unit() -> None:
    task = TaskSpec("regression", "rows", [], mean=100.0, std=10.0, low=80.0, high=115.0)
    it = Answers(task, torch.tensor([[1.0], [5.0]]), np.array([0.5, np.nan], np.float32))
    assert [it.predicted(row) for row in range(2)] == ["110", "115"]
    assert [it.truth(row) for row in range(2)] == ["105", "unknown"]
    assert not it.wrong.any()


@pytest.mark.parametrize(("second", "said"), [(2, "new york (place)"), (0, "new (place)")])
def test_tags_are_told_as_entities(second: int, said: str) -> None:
    task = TaskSpec("tagging", "rows", ["O", "B-place", "I-place"])
    tags = torch.nn.functional.one_hot(torch.tensor([[1, second, 0, 0]]), 3).float().flatten(1)
    it = Answers(task, tags, np.array([[1, 2, 0, -1]]))
    tokens = ["new", "york", "!"]
    assert it.predicted(0, tokens) == said
    assert it.truth(0, tokens) == "new york (place)"
    assert it.wrong.tolist() == [second != 2]
    nothing = torch.nn.functional.one_hot(torch.zeros(1, 4, dtype=torch.long), 3).float().flatten(1)
    assert Answers(task, nothing, np.array([[1, 2, 0, -1]])).predicted(0, tokens) == "no entity"
