"""Scores against torchmetrics and scikit-learn, on networks that were really trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import Tensor

from pipeline.analysis.class_scores import Answers, metrics as class_metrics
from pipeline.analysis.metrics import Scores
from pipeline.analysis.scores import score
from pipeline.data.prepared import Prepared, PreparedTask, Split, open_split
from pipeline.data.test_split import TestSplit
from pipeline.training.saved import FILE, load_network
from tests.analysis.made import candidate, experiment, prepared, square

Probabilities = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def test_rows(data: Prepared) -> Split:
    return open_split(data, "test")


@pytest.fixture(scope="module")
def both(data: Prepared, test_rows: Split, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scores, Probabilities]:
    """Scores, and the probabilities [K, N, C] that the same networks answer when asked directly."""
    made = candidate(tmp_path_factory.mktemp("models"), data, experiment())
    network, _ = load_network(made.folder / FILE, data, made.experiment)
    inputs = {name: torch.from_numpy(rows).float().unsqueeze(0) for name, rows in test_rows.inputs.items()}
    logits = {name: it.clone().double() for name, it in network.forward(inputs).items()}
    odd = torch.sigmoid(logits["odd"])
    probabilities = {name: torch.softmax(it, -1).numpy() for name, it in logits.items() if name != "odd"}
    return score(made, TestSplit(test_rows)), probabilities | {"odd": torch.cat([1.0 - odd, odd], -1).numpy()}


@pytest.mark.parametrize("task", ["side", "odd", "far"])
def test_metrics_are_those_of_torchmetrics(task: str, both: tuple[Scores, Probabilities], test_rows: Split) -> None:
    from torchmetrics.functional import classification as tm  # seconds, of this test alone

    scores, probabilities = both
    labels = test_rows.labels[task]
    known = labels >= 0
    for seed, answered in enumerate(probabilities[task]):
        true, chance = torch.from_numpy(labels[known]), torch.from_numpy(answered[known])
        said, count = chance.argmax(1), chance.shape[1]
        expected = {
            "accuracy": tm.multiclass_accuracy(said, true, count, average="micro"),
            "balanced_accuracy": sk.balanced_accuracy_score(true, said),
            "macro_f1": tm.multiclass_f1_score(said, true, count, average="macro"),
            "nll": sk.log_loss(true, chance, labels=range(count)),
            "ece": tm.multiclass_calibration_error(chance, true, count, n_bins=15),
        }
        if task == "odd":
            expected["roc_auc"] = tm.binary_auroc(chance[:, 1], true)
            expected["average_precision"] = tm.binary_average_precision(chance[:, 1], true)
        found = {name: values[seed] for name, values in scores[task].metrics.items()}
        assert found == pytest.approx({name: float(it) for name, it in expected.items()}, abs=1e-5)


@pytest.mark.parametrize("task", ["side", "odd", "far"])
def test_the_confusion_matrix_is_scikit_learns_summed_over_seeds(
    task: str, both: tuple[Scores, Probabilities], test_rows: Split
) -> None:
    scores, probabilities = both
    labels = test_rows.labels[task]
    known = labels >= 0
    classes = range(probabilities[task].shape[2])
    expected = sum(
        sk.confusion_matrix(labels[known], it[known].argmax(1), labels=classes) for it in probabilities[task]
    )
    assert (square(scores[task].confusions, len(expected)) == expected).all()


def test_correct_rows_are_those_with_a_label_that_was_answered(
    both: tuple[Scores, Probabilities], test_rows: Split
) -> None:
    scores, probabilities = both
    labelled, right = scores["odd"].columns.T
    assert scores["odd"].seeds == 2
    assert (scores["odd"].labelled == (test_rows.labels["odd"] >= 0)).all()
    assert (labelled == scores["odd"].labelled).all()
    assert (right == (probabilities["odd"].argmax(-1) == test_rows.labels["odd"]).mean(0)).all()


def test_the_calibration_error_has_the_value_worked_out_by_hand() -> None:
    # Bins of a fifteenth: 0.6 (9 of them, 6 right: |6/9 - 0.6|) and 0.9 (1, wrong: 0.9); weighted 0.9 and 0.1.
    confidence = torch.tensor([0.61] * 9 + [0.91], dtype=torch.float64)
    right = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    targets = torch.zeros(10, dtype=torch.int64)
    predicted = torch.tensor([1 - it for it in right])
    found = class_metrics(
        PreparedTask("multiclass", "a", ("x", "y")), targets, Answers(predicted, confidence, confidence, confidence)
    )
    assert found["ece"] == pytest.approx(0.9 * abs(6 / 9 - 0.61) + 0.1 * 0.91)


def answers(logits: Tensor, targets: Tensor) -> Answers:
    part = Answers.of(logits.unsqueeze(0), targets.unsqueeze(0))
    return Answers(part.predicted[0], part.confidence[0], part.nll[0], part.positive[0])


def test_a_ranking_of_one_class_only_is_not_a_number_and_no_warning() -> None:
    targets = torch.ones(6, dtype=torch.int64)
    found = class_metrics(PreparedTask("binary", "a", ("no", "yes")), targets, answers(torch.randn(6, 2), targets))
    assert np.isnan(found["roc_auc"])
    assert np.isnan(found["average_precision"])
    assert np.isfinite(found["accuracy"])


def test_a_task_without_a_label_has_metrics_that_are_not_numbers(
    data: Prepared, test_rows: Split, tmp_path: Path
) -> None:
    unlabelled = Split(test_rows.inputs, test_rows.labels | {"odd": np.full(80, -1)})
    scores = score(candidate(tmp_path, data, experiment()), TestSplit(unlabelled))["odd"]
    assert all(np.isnan(values).all() for values in scores.metrics.values())
    assert not scores.columns.any()
    assert not len(scores.confusions)


def test_a_single_task_candidate_needs_its_own_rows_only(data: Prepared, test_rows: Split, tmp_path: Path) -> None:
    found = score(candidate(tmp_path, data, experiment(), "single", "far"), TestSplit(test_rows))
    assert list(found) == ["far"]
    assert found["far"].source == "b"


def test_scores_carry_the_groups_that_their_rows_come_in(data: Prepared, test_rows: Split, tmp_path: Path) -> None:
    rows = replace(test_rows, groups={"a": np.arange(80) // 4})
    found = score(candidate(tmp_path, data, experiment()), TestSplit(rows))
    assert (found["side"].units, found["odd"].units, found["far"].units) == (20, 20, 80)
    apart = score(candidate(tmp_path / "again", data, experiment()), TestSplit(test_rows))
    assert found["side"].metrics["accuracy"] == pytest.approx(apart["side"].metrics["accuracy"])
    assert len(found["side"].resampled) == len(apart["side"].resampled)
    assert not np.array_equal(found["side"].resampled, apart["side"].resampled)
    np.testing.assert_array_equal(found["far"].resampled, apart["far"].resampled)
