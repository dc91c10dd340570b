"""Counts and ranks are those of scikit-learn, to 1e-12."""

import numpy as np
import pytest
from sklearn import metrics

from pipeline.analysis import counts
from tests.analysis.made import square

CLOSE = {"rel": 1e-12, "abs": 1e-12}


@pytest.mark.parametrize("seed", range(40))
def test_counts_of_classes_are_scikit_learns(seed: int) -> None:
    draws = np.random.default_rng(seed)
    count, rows = int(draws.integers(2, 12)), int(draws.integers(1, 400))
    of = draws.integers(1, count + 1)  # some classes have no rows, or are not answered
    true, predicted = draws.integers(0, of, rows), draws.integers(0, draws.integers(1, count + 1), rows)
    found, half = counts.confusions(true, predicted, count), rows // 2
    assert (square(found, count) == metrics.confusion_matrix(true, predicted, labels=range(count))).all()
    assert (found[:, 2] > 0).all()
    parts = [counts.confusions(true[it], predicted[it], count) for it in (slice(half), slice(half, None))]
    assert (counts.added(parts) == found).all()
    recall = metrics.recall_score(true, predicted, labels=np.unique(true), average="macro")
    assert counts.balanced_accuracy(true, predicted, count) == pytest.approx(recall, **CLOSE)
    assert counts.macro_f1(true, predicted, count) == pytest.approx(
        metrics.f1_score(true, predicted, average="macro"), **CLOSE
    )


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("levels", [2, 7, 10**9])
def test_ranks_are_scikit_learns_with_and_without_ties(seed: int, levels: int) -> None:
    draws = np.random.default_rng(seed)
    rows = int(draws.integers(2, 500))
    true = draws.integers(0, 2, rows)
    true[:2] = [0, 1]
    scores = draws.integers(0, levels, rows) / levels
    assert counts.roc_auc(true, scores) == pytest.approx(metrics.roc_auc_score(true, scores), **CLOSE)
    assert counts.average_precision(true, scores) == pytest.approx(
        metrics.average_precision_score(true, scores), **CLOSE
    )


@pytest.mark.parametrize("seed", range(20))
def test_f1_and_r2_are_scikit_learns(seed: int) -> None:
    draws = np.random.default_rng(seed)
    rows = int(draws.integers(2, 60))
    true, said = (draws.random(rows) < share for share in draws.random(2) ** 3)
    assert counts.f1_score(true, said) == pytest.approx(metrics.f1_score(true, said, zero_division=0.0), **CLOSE)
    values = draws.normal(3, 2, rows)
    answered = values + draws.normal(0, 1, rows)
    assert counts.r2_score(values, answered) == pytest.approx(metrics.r2_score(values, answered), **CLOSE)


def test_edges_are_scikit_learns() -> None:
    nobody = np.zeros(5, dtype=bool)
    assert counts.f1_score(nobody, nobody) == metrics.f1_score(nobody, nobody, zero_division=0.0) == 0.0
    constant = np.full(4, 2.0)
    assert counts.r2_score(constant, constant) == metrics.r2_score(constant, constant) == 1.0
    assert counts.r2_score(constant, constant + 1) == metrics.r2_score(constant, constant + 1) == 0.0
    nothing = np.zeros(0, dtype=np.int64)
    assert counts.confusions(nothing, nothing, 3).shape == (0, 3)
