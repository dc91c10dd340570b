"""Classes that test alone has count as wrong: every metric is scikit-learn's of the names."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from pipeline.analysis.metrics import TaskScores
from pipeline.analysis.own_metrics import OwnScorer
from pipeline.analysis.scores import scorer_of
from pipeline.analysis.tables import confusions_table
from pipeline.data.prepared import PreparedTask
from pipeline.stacked import Targets

ROWS, SEEDS = 200, 2
DRAWS = np.random.default_rng(0)
EPS = np.finfo(float).eps


def scored(task: PreparedTask, logits: torch.Tensor, labels: np.ndarray) -> TaskScores:
    scorer = scorer_of(task)
    for start in range(0, ROWS, 64):
        part = slice(start, start + 64)
        scorer.take(logits[:, part], Targets.of(torch.from_numpy(labels[part]).unsqueeze(0)))
    return scorer.scores(labels)


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
def test_classes_are_scored_by_their_names(kind: str) -> None:
    own = ("a", "c", "d") if kind == "multiclass" else ("a", "c")
    task = PreparedTask(kind, "s", own, unseen={"b": 20, "e": 4})
    labels = DRAWS.integers(0, len(own), ROWS)
    labels[:20], labels[20:24], labels[30:40] = len(own), len(own) + 1, -1
    logits = torch.from_numpy(DRAWS.normal(size=(SEEDS, ROWS, task.outputs))).float()
    found = scored(task, logits, labels)
    there, names = labels >= 0, np.array(task.scored)
    true = names[labels[there]]
    for seed in range(SEEDS):
        z = logits[seed].double().numpy()[there]
        chances = np.exp(z) / np.exp(z).sum(1, keepdims=True) if kind == "multiclass" else 1 / (1 + np.exp(-z))
        chances = chances if kind == "multiclass" else np.hstack([1 - chances, chances])
        said = names[chances.argmax(1)]
        values = {name: float(it[seed]) for name, it in found.metrics.items()}
        assert values["accuracy"] == pytest.approx(sk.accuracy_score(true, said))
        assert values["macro_f1"] == pytest.approx(sk.f1_score(true, said, average="macro", zero_division=0))
        recalls = sk.recall_score(true, said, labels=np.unique(true), average=None, zero_division=0)
        assert values["balanced_accuracy"] == pytest.approx(recalls.mean())
        every = np.hstack([chances, np.full((len(chances), 2), 0.0)])[np.arange(len(true)), labels[there]]
        assert values["nll"] == pytest.approx(-np.log(np.maximum(every, EPS)).mean())
        if kind == "binary":  # ranks are of the rows of the two classes
            two = labels[there] < 2
            assert values["roc_auc"] == pytest.approx(sk.roc_auc_score(labels[there][two], chances[two, 1]))
    assert np.isfinite(found.resampled).all()
    table = confusions_table({"it": {"t": found}})
    assert table[table["true"] == "b"]["count"].sum() == 20 * SEEDS
    assert not table[table["answered"].isin(["b", "e"])]["count"].any()


def test_labels_that_training_never_showed_are_wrong_where_they_are() -> None:
    task = PreparedTask("multilabel", "s", ("old", "new"), unseen={"red": 30})
    labels = (DRAWS.random((ROWS, 3)) < 0.4).astype(np.float32)
    labels[:, 2] = np.where(np.arange(ROWS) < 30, 1.0, np.nan)
    logits = torch.from_numpy(DRAWS.normal(size=(SEEDS, ROWS, 2))).float()
    found, known = (
        scored(task, logits, labels),
        scored(PreparedTask("multilabel", "s", ("old", "new")), logits, labels[:, :2]),
    )
    for seed in range(SEEDS):
        values, before = ({name: float(it[seed]) for name, it in one.metrics.items()} for one in (found, known))
        assert values["accuracy"] == pytest.approx(before["accuracy"] * 2 * ROWS / (2 * ROWS + 30))
        assert values["macro_f1"] == pytest.approx(before["macro_f1"] * 2 / 3)
        assert values["nll"] == pytest.approx((before["nll"] * 2 * ROWS - 30 * np.log(EPS)) / (2 * ROWS + 30))
        assert values["roc_auc"] == before["roc_auc"]  # of ranks there are none
    assert np.isfinite(found.resampled).all()


def test_entities_of_a_type_that_training_never_showed_are_missed() -> None:
    task = PreparedTask("tagging", "s", ("O", "B-a", "I-a"), length=3, unseen={"B-b": 2, "I-b": 1})
    labels = np.array([[1, 2, 0], [3, 4, -1], [0, 3, 1]])
    logits = 5.0 * torch.nn.functional.one_hot(torch.tensor([[1, 2, 0, 1, 0, 0, 0, 0, 1]]), 3).float()
    scorer = scorer_of(task)
    scorer.take(logits, Targets.of(torch.from_numpy(labels).unsqueeze(0)))
    values = {name: float(it[0]) for name, it in scorer.scores(labels).metrics.items()}
    assert (values["precision"], values["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 4))
    assert (values["entity_f1.a"], values["entity_f1.b"]) == (pytest.approx(4 / 5), 0.0)
    assert values["accuracy"] == pytest.approx(5 / 8)
    assert 3 * -np.log(EPS) / 8 < values["nll"] < 3 * -np.log(EPS) / 8 + 0.1


def test_metrics_of_ones_own_are_of_what_the_answers_have_a_place_for() -> None:
    task = PreparedTask("multiclass", "s", ("a", "b"), unseen={"c": 5})
    labels = np.array([0, 1] * (ROWS // 2))
    labels[:5] = 2
    scorer = OwnScorer(task, scorer_of(task), ["sklearn.metrics:log_loss"])
    logits = torch.from_numpy(DRAWS.normal(size=(1, ROWS, 2))).float()
    scorer.take(logits, Targets.of(torch.from_numpy(labels).unsqueeze(0)))
    wanted = sk.log_loss(labels[5:], torch.softmax(logits[0, 5:].double(), 1).numpy())
    assert scorer.scores(labels).metrics["log_loss"][0] == pytest.approx(wanted)
