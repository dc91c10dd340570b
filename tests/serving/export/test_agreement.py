"""What counts as the same answer."""

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import Failure
from pipeline.serving.export.agreement import TOLERANCE, disagreement
from pipeline.serving.specification import TaskSpec

CLASSES = TaskSpec("multiclass", "s", ["a", "b", "c"])
LABELS = TaskSpec("multilabel", "s", ["a", "b"], thresholds=[0.5, 0.2])
NUMBER = TaskSpec("regression", "s", [], mean=100.0, std=10.0)
TAGS = TaskSpec("tagging", "s", ["O", "B-x"])


def classes(labels: list[int], *rows: list[float]) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    chances = np.array(rows)
    columns = {"t/label": labels} | {f"t/probability/{place}": chances[:, place] for place in range(3)}
    return pd.DataFrame(columns), {"t/label": np.array(labels), "t/probability": chances.copy()}


def test_classes_differ_by_their_probabilities() -> None:
    wanted, found = classes([0, 2], [0.7, 0.2, 0.1], [0.1, 0.2, 0.7])
    assert disagreement("t", CLASSES, wanted, found) == 0.0
    found["t/probability"][1, 1] += 4e-6
    assert disagreement("t", CLASSES, wanted, found) == pytest.approx(4e-6)
    found["t/probability"][1, 1] += 1e-4
    with pytest.raises(Failure, match=r"task t: .* differ from the original's by up to 0\.0001"):
        disagreement("t", CLASSES, wanted, found)


def test_another_label_counts_unless_both_are_as_probable() -> None:
    wanted, found = classes([0], [0.4, 0.4 - 1e-7, 0.2])
    found["t/label"][0] = 1
    assert disagreement("t", CLASSES, wanted, found) == pytest.approx(1e-7, rel=1e-6)
    found["t/label"][0] = 2
    with pytest.raises(Failure, match=r"by up to 0\.2"):
        disagreement("t", CLASSES, wanted, found)


def test_classes_by_name_and_probabilities_by_name_are_read_alike() -> None:
    wanted, found = classes([0, 2], [0.7, 0.2, 0.1], [0.1, 0.2, 0.7])
    named = wanted.drop(columns="t/label").rename(columns=lambda it: it.translate(str.maketrans("012", "abc")))
    named.insert(0, "t/class", ["a", "c"])
    assert disagreement("t", CLASSES, named, found) == 0.0


def test_labels_may_differ_at_the_threshold_alone() -> None:
    wanted = pd.DataFrame({"t/label/0": [1], "t/label/1": [0], "t/probability/0": [0.9], "t/probability/1": [0.2]})
    found = {"t/label": np.array([[1, 1]]), "t/probability": np.array([[0.9, 0.2 + 1e-7]])}
    assert disagreement("t", LABELS, wanted, found) < TOLERANCE
    found["t/label"][0, 0] = 0
    with pytest.raises(Failure, match=r"by up to 0\.4"):
        disagreement("t", LABELS, wanted, found)


@pytest.mark.parametrize(("value", "apart"), [(100.0, 2e-5), (1e6, 2.0)])
def test_values_differ_in_deviations_or_relative_to_themselves(value: float, apart: float) -> None:
    wanted = pd.DataFrame({"t/value": [value]})
    assert disagreement("t", NUMBER, wanted, {"t/value": np.array([value + apart])}) == pytest.approx(2e-6, rel=0.9)
    with pytest.raises(Failure, match="differ"):
        disagreement("t", NUMBER, wanted, {"t/value": np.array([value + 100 * apart])})
    with pytest.raises(Failure, match="nan"):
        disagreement("t", NUMBER, wanted, {"t/value": np.array([np.nan])})


def test_tags_are_compared_token_by_token() -> None:
    wanted = pd.DataFrame({"t/tags": ["O B-x", ""]})
    chances = np.array([[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], [[0.5, 0.5]] * 3])
    found = {"t/label": np.array([[0, 1, -1], [-1, -1, -1]]), "t/probability": chances}
    assert disagreement("t", TAGS, wanted, found) == 0.0
    with pytest.raises(Failure, match=r"by up to 0\.6"):
        disagreement("t", TAGS, pd.DataFrame({"t/tags": ["O O", ""]}), found)
    with pytest.raises(Failure, match="other tokens than the original in row 1"):
        disagreement("t", TAGS, pd.DataFrame({"t/tags": ["O B-x", "O"]}), found)
