"""Scores of multilabel and regression tasks against scikit-learn, and their intervals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as sk

from pipeline.analysis.label_scores import LabelScorer
from pipeline.analysis.metrics import TaskScores
from pipeline.analysis.number_scores import NumberScorer
from pipeline.analysis.statistics.differences import delta_m, difference, level
from pipeline.data.prepared import PreparedTask
from pipeline.stacked import Targets

SEEDS, ROWS = 3, 600
MARKS = PreparedTask("multilabel", "rows", ("round", "dark red", "new"))
PRICE = PreparedTask("regression", "rows", (), mean=100.0, std=8.0)


def labels(missing: float = 0.2) -> np.ndarray:
    draws = np.random.default_rng(0)
    values = (draws.random((ROWS, 3)) < (0.5, 0.2, 0.05)).astype(np.float32)
    values[draws.random((ROWS, 3)) < missing] = np.nan
    return values


def numbers(missing: float = 0.2) -> np.ndarray:
    draws = np.random.default_rng(1)
    return np.where(draws.random(ROWS) < missing, np.nan, draws.normal(size=ROWS)).astype(np.float32)


def answers(targets: np.ndarray, noise: float, seed: int = 0) -> torch.Tensor:
    """Logits [K, N, C] that know the targets up to some noise."""
    truth = torch.from_numpy(np.nan_to_num(targets)).reshape(ROWS, -1)
    return truth + noise * torch.randn(SEEDS, *truth.shape, generator=torch.Generator().manual_seed(seed))


def scored(task: PreparedTask, logits: torch.Tensor, targets: np.ndarray) -> TaskScores:
    scorer = LabelScorer(task) if task.kind == "multilabel" else NumberScorer(task)
    stored = torch.from_numpy(targets).unsqueeze(0)
    for start in range(0, ROWS, 256):
        scorer.take(logits[:, start : start + 256], Targets.of(stored[:, start : start + 256]))
    return scorer.scores(targets)


def test_metrics_of_labels_are_scikit_learns() -> None:
    targets = labels()
    logits = answers(targets, 1.0) - 0.5
    found = scored(MARKS, logits, targets)
    for seed, own in enumerate(logits.double().numpy()):
        each: dict[str, list[float]] = {"roc_auc": [], "average_precision": [], "macro_f1": []}
        for label, there in enumerate(~np.isnan(targets.T)):
            true, z = targets[there, label], own[there, label]
            each["roc_auc"].append(sk.roc_auc_score(true, z))
            each["average_precision"].append(sk.average_precision_score(true, z))
            each["macro_f1"].append(sk.f1_score(true, z > 0))
        for name, values in each.items():
            assert found.metrics[name][seed] == pytest.approx(np.mean(values))
        assert found.metrics["roc_auc.dark red"][seed] == pytest.approx(each["roc_auc"][1])
        assert found.metrics["average_precision.new"][seed] == pytest.approx(each["average_precision"][2])
        there = ~np.isnan(targets)
        chance = 1 / (1 + np.exp(-own[there]))
        assert found.metrics["nll"][seed] == pytest.approx(sk.log_loss(targets[there], chance))
        assert found.metrics["accuracy"][seed] == pytest.approx(((chance > 0.5) == targets[there]).mean())


def test_metrics_of_numbers_are_scikit_learns_in_the_targets_unit() -> None:
    targets = numbers()
    logits = answers(targets, 0.6)
    found = scored(PRICE, logits, targets)
    there = ~np.isnan(targets)
    for seed, own in enumerate(logits[..., 0].double().numpy()):
        true, said = (100.0 + 8.0 * it[there].astype(np.float64) for it in (targets, own))
        assert found.metrics["r2"][seed] == pytest.approx(sk.r2_score(true, said))
        assert found.metrics["mae"][seed] == pytest.approx(sk.mean_absolute_error(true, said))
        assert found.metrics["rmse"][seed] == pytest.approx(sk.root_mean_squared_error(true, said))


def test_numbers_are_scored_as_they_are_answered_within_the_range_of_training() -> None:
    targets = numbers()
    logits = answers(targets, 0.6)
    logits[1, 7] = 1e6
    task = replace(PRICE, low=90.0, high=112.0)
    found, there = scored(task, logits, targets), ~np.isnan(targets)
    for seed, own in enumerate(logits[..., 0].double().numpy()):
        true, said = (100.0 + 8.0 * it[there].astype(np.float64) for it in (targets, own))
        said = said.clip(90.0, 112.0)
        assert found.metrics["r2"][seed] == pytest.approx(sk.r2_score(true, said), rel=1e-6)
        assert found.metrics["mae"][seed] == pytest.approx(sk.mean_absolute_error(true, said), rel=1e-6)


def _auc_of(targets: np.ndarray, logits: np.ndarray) -> float:
    areas = [sk.roc_auc_score(true, z) for true, z in zip(targets.T, logits.T, strict=True)]
    return float(np.mean(areas))


@pytest.mark.parametrize("task", [MARKS, PRICE])
def test_the_standard_error_of_rows_is_that_of_scipys_bootstrap(task: PreparedTask) -> None:
    targets = labels(0.0) if task is MARKS else numbers(0.0)
    logits = answers(targets, 1.0)[:1]
    found = scored(task, logits, targets)
    estimate = level(found, task.primary)
    own = logits[0].numpy()

    def metric(rows: np.ndarray) -> float:
        if task is MARKS:
            return _auc_of(targets[rows], own[rows])
        return float(sk.r2_score(targets[rows], own[rows, 0]))

    wanted = stats.bootstrap((np.arange(ROWS),), metric, vectorized=False, n_resamples=600, method="percentile",
                             rng=np.random.default_rng(0)).standard_error  # fmt: skip
    assert estimate.rows_var**0.5 == pytest.approx(wanted, rel=0.2)
    assert estimate.df == pytest.approx(ROWS - 1)


@pytest.mark.parametrize("task", [MARKS, PRICE])
def test_a_better_candidate_is_better_in_its_difference_and_in_delta_m(task: PreparedTask) -> None:
    targets = labels() if task is MARKS else numbers()
    good, bad = (scored(task, answers(targets, noise, seed), targets) for noise, seed in ((0.4, 1), (1.2, 2)))
    assert difference(good, bad, task.primary).verdict() == "better"
    assert delta_m({"a": good}, {"a": bad}).verdict() == "better"
    nothing = delta_m({"a": good}, {"a": good})
    assert (nothing.mean, nothing.se) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert nothing.verdict() == "unclear"


@pytest.mark.parametrize("task", [MARKS, PRICE])
def test_without_a_target_nothing_is_a_number(task: PreparedTask) -> None:
    targets = np.full((ROWS, 3) if task is MARKS else ROWS, np.nan, np.float32)
    found = scored(task, answers(targets, 1.0), targets)
    assert all(np.isnan(values).all() for values in found.metrics.values())
    assert not found.labelled.any()
    assert np.isnan(level(found, task.primary).mean)


def test_a_label_that_no_row_has_is_left_out() -> None:
    targets = labels()
    targets[:, 2] = 0.0
    found = scored(MARKS, answers(targets, 1.0), targets)
    assert np.isnan(found.metrics["roc_auc.new"]).all()
    assert found.metrics["roc_auc"] == pytest.approx(
        (found.metrics["roc_auc.round"] + found.metrics["roc_auc.dark red"]) / 2
    )
    assert np.isfinite(found.resampled).all()


@pytest.mark.parametrize("value", [0.1, 1e3, -7.3])
def test_r2_of_equal_targets_is_not_known(value: float) -> None:
    targets = np.full(ROWS, value, np.float32)
    found = scored(PRICE, answers(targets, 1.0), targets)
    assert np.isnan(found.metrics["r2"]).all()
    assert np.isnan(found.resampled).all()
    assert np.isfinite(found.metrics["rmse"]).all()


def test_resamples_of_equal_targets_are_left_out() -> None:
    targets = np.full(ROWS, np.nan, np.float32)
    targets[:2], targets[2:4] = 0.3, 0.7  # many a resample draws equal targets only
    resampled = scored(PRICE, answers(targets, 0.1), targets).resampled
    assert 0.1 < np.isnan(resampled).mean() < 0.4
    assert np.nanmin(resampled) > -10
