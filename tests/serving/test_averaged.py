"""The average of several networks' answers: by the names of classes, and of the networks that answered a row alone."""

import numpy as np
import pytest
import torch

from pipeline.data.prepared import PreparedTask
from pipeline.serving.averaged import Average
from pipeline.serving.decisions import decision_of
from pipeline.serving.specification import TaskSpec


def spec(kind: str, *classes: str, **more: object) -> TaskSpec:
    return TaskSpec(kind, "x", classes, **more)  # type: ignore[arg-type]


def test_classes_are_averaged_by_name_and_one_that_a_network_does_not_know_has_no_chance_there() -> None:
    found = Average(PreparedTask("multiclass", "x", ("a", "b", "c")), rows=3)
    found.add(spec("multiclass", "a", "b", "c"), np.array([0, 2]), np.array([[0.2, 0.7, 0.1], [0.1, 0.3, 0.6]]))
    found.add(spec("multiclass", "c", "a"), np.array([2]), np.array([[0.1, 0.9]]))
    columns = found.columns("t")
    assert found.count.tolist() == [1, 0, 2]
    assert (columns["t/label"].tolist(), columns["t/class"].tolist()) == ([1, 0], ["b", "a"])
    chances = np.stack([columns[f"t/probability/{name}"] for name in "abc"], 1)
    np.testing.assert_allclose(chances, [[0.2, 0.7, 0.1], [0.5, 0.15, 0.35]], rtol=1e-6)


def test_numbers_are_averaged_in_their_own_unit() -> None:
    found = Average(PreparedTask("regression", "x", (), mean=100.0, std=10.0), rows=1)
    for mean, std in ((10.0, 1.0), (30.0, 2.0)):
        own = spec("regression", mean=mean, std=std, low=0.0, high=31.0)
        logits = torch.tensor([[2.0]])
        found.add(own, np.array([0]), decision_of(own).chances(logits).numpy())
    assert found.columns("t")["t/value"].tolist() == [(12.0 + 31.0) / 2]  # each clipped to the range of its own rows


def test_a_label_is_there_if_its_mean_chance_is_above_the_mean_threshold() -> None:
    found = Average(PreparedTask("multilabel", "x", ("a", "b")), rows=1)
    found.add(spec("multilabel", "a", "b", thresholds=[0.2, 0.9]), np.array([0]), np.array([[0.3, 0.8]]))
    found.add(spec("multilabel", "a", "b", thresholds=[0.4, 0.1]), np.array([0]), np.array([[0.2, 0.4]]))
    columns = found.columns("t")
    assert [columns[f"t/label/{name}"].item() for name in "ab"] == [0, 1]
    assert columns["t/probability/b"].item() == pytest.approx(0.6)


def test_tags_are_averaged_token_by_token() -> None:
    found = Average(PreparedTask("tagging", "x", ("O", "B-city")), rows=2)
    own = spec("tagging", "B-city", "O")
    found.add(own, np.array([1]), [np.array([[0.1, 0.9], [0.6, 0.4]])])
    found.add(own, np.array([1]), [np.array([[0.3, 0.7], [0.9, 0.1]])])
    columns = found.columns("t", [["none"], ["in", "Oslo"]])
    assert columns["t/tags"].tolist() == ["O B-city"]
    assert "Oslo" in columns["t/entities"][0]


@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel", "regression"])
def test_the_average_of_one_network_is_its_prediction(kind: str) -> None:
    classes = () if kind == "regression" else ("a", "b")
    more = {"thresholds": [0.4, 0.6]} if kind == "multilabel" else {}
    own = spec(kind, *classes, **more)
    logits = torch.randn(7, 1 if kind in ("binary", "regression") else 2, generator=torch.Generator().manual_seed(0))
    found, decision = Average(PreparedTask(kind, "x", classes), rows=7), decision_of(own)
    found.add(own, np.arange(7), decision.chances(logits).numpy())
    columns = found.columns("t")
    predicted = decision.named({name: it.numpy() for name, it in decision.predict(logits).items()})
    assert list(columns) == [f"t/{name}" for name in predicted]
    for name, values in predicted.items():
        assert columns[f"t/{name}"].dtype == values.dtype
        if values.dtype == object:
            assert columns[f"t/{name}"].tolist() == values.tolist()
        else:
            np.testing.assert_allclose(columns[f"t/{name}"], values, rtol=1e-6)
