"""Scores where every row tests: each metric is that of a fold, and the bootstrap draws a row once for all folds."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as sk

from pipeline.analysis.metrics import TaskScores, draw_together
from pipeline.analysis.pooled import pooled
from pipeline.analysis.scores import grouped, scorer_of
from pipeline.analysis.statistics.differences import delta_m, difference, level
from pipeline.analysis.tables import confusions_table, scores_table
from pipeline.data.prepared import PreparedTask, Split
from pipeline.data.test_split import TestSplit
from pipeline.stacked import Targets

ROWS, FOLDS, REPEATS = 240, 4, 2
SPECIES = PreparedTask("multiclass", "s", ("a", "b", "c"))
SEX = PreparedTask("binary", "s", ("no", "yes"))
MARKS = PreparedTask("multilabel", "s", ("round", "red"))
PRICE = PreparedTask("regression", "s", (), mean=100.0, std=8.0)
TAGS = PreparedTask("tagging", "s", ("O", "B-x", "I-x"), length=4)
KINDS = (SPECIES, SEX, MARKS, PRICE, TAGS)


def folds(seed: int = 0, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """The rows that each replicate tests, in an order of their own."""
    draws = np.random.default_rng(seed)
    found = []
    for _ in range(REPEATS):
        units = np.arange(ROWS) if groups is None else groups
        place = draws.permutation(units.max() + 1) % FOLDS
        found += [draws.permutation(np.flatnonzero(place[units] == fold)) for fold in range(FOLDS)]
    return found


def labels_of(task: PreparedTask, seed: int = 1) -> np.ndarray:
    """Targets of all rows, some missing; numbers in their own unit."""
    draws = np.random.default_rng(seed)
    if task is PRICE:
        return np.where(draws.random(ROWS) < 0.1, np.nan, 100 + 8 * draws.normal(size=ROWS))
    if task is MARKS:
        found = (draws.random((ROWS, 2)) < (0.5, 0.3)).astype(np.float32)
        return np.where(draws.random((ROWS, 2)) < 0.1, np.nan, found).astype(np.float32)
    if task is TAGS:
        found = draws.integers(0, 3, (ROWS, task.length))
        return np.where(np.arange(task.length) < draws.integers(1, 5, ROWS)[:, None], found, -1)
    found = draws.integers(0, len(task.classes), ROWS)
    return np.where(draws.random(ROWS) < 0.1, -1, found)


def logits_of(task: PreparedTask, labels: np.ndarray, noise: float = 1.0, seed: int = 2) -> np.ndarray:
    """What each replicate's network would answer to all rows, [R, N (* T), C]."""
    draws, truth = np.random.default_rng(seed), np.nan_to_num(np.maximum(labels, -1)).reshape(-1)
    if task is PRICE:
        known = (np.nan_to_num(labels, nan=100.0) - task.mean) / task.std
    elif task.outputs == 1 or task is MARKS:
        known = np.nan_to_num(labels)
    else:
        known = (truth[:, None] == np.arange(task.outputs)).astype(float)
    known = known.reshape(len(truth) // (2 if task is MARKS else 1), -1)
    return known + noise * draws.normal(size=(FOLDS * REPEATS, *known.shape))


def scores(
    task: PreparedTask | list[PreparedTask],
    labels: np.ndarray | list[np.ndarray],
    logits: np.ndarray,
    tests: list[np.ndarray],
    groups: np.ndarray | None = None,
    own: tuple[str, ...] = (),
) -> TaskScores:
    """The pooled scores; task and labels of all rows may be a replicate's own."""
    parts, numbers = [], []
    for replicate, rows in enumerate(tests):
        seen = task[replicate] if isinstance(task, list) else task
        stored = labels[replicate] if isinstance(labels, list) else labels
        stored = ((stored - seen.mean) / seen.std).astype(np.float32) if seen.definition.is_number else stored
        answers = logits[replicate].reshape(len(stored), -1, logits.shape[2])[rows].reshape(1, -1, logits.shape[2])
        answers = answers[..., : seen.outputs]
        scorer = scorer_of(seen, own=own)
        scorer.take(torch.from_numpy(answers).float(), Targets.of(torch.from_numpy(stored[rows])[None]))
        split = Split({}, {}, groups={} if groups is None else {"s": groups[rows]})
        parts.append((replicate, grouped({"t": scorer.scores(stored[rows], of_fold=True)}, split), {"t": seen}))
        numbers.append({"s": rows})
    return pooled(parts, TestSplit(replicates=tuple([Split({}, {})] * len(tests)), numbers=tuple(numbers)))["t"]


def metric_of(task: PreparedTask, labels: np.ndarray, logits: np.ndarray) -> Callable[[np.ndarray, int], float]:
    """The primary metric by scikit-learn, of rows that a replicate answers; rows may be there several times."""

    def metric(rows: np.ndarray, replicate: int) -> float:
        true = labels[rows]
        said = logits[replicate].reshape(ROWS, -1, logits.shape[2])[rows]
        if task is MARKS:
            own = [(true[:, it], said[:, 0, it]) for it in range(2)]
            return float(np.mean([sk.roc_auc_score(t[~np.isnan(t)], z[~np.isnan(t)]) for t, z in own]))
        there = true >= 0
        if task is SEX:
            return sk.accuracy_score(true[there], said[there, 0, 0] > 0)
        return sk.accuracy_score(true[there], said[there, 0].argmax(1))

    return metric


@pytest.mark.parametrize("task", KINDS, ids=lambda task: task.kind)
def test_every_metric_is_that_of_each_fold_alone(task: PreparedTask) -> None:
    labels, tests = labels_of(task), folds()
    logits = logits_of(task, labels)
    found = scores(task, labels, logits, tests)
    assert found.seeds == len(tests)
    known = labels >= 0 if labels.dtype.kind == "i" else ~np.isnan(labels)
    assert (found.labelled == (known if known.ndim == 1 else known.any(1))).all()
    assert found.units == found.labelled.sum()
    for replicate, rows in enumerate(tests):
        alone = scores(task, labels, logits[[replicate]], [rows])
        for name, values in found.metrics.items():
            if name != "r2":
                assert values[replicate] == alone.metrics[name][0], name
    if task in (SPECIES, SEX, MARKS):
        wanted = [metric_of(task, labels, logits)(rows, place) for place, rows in enumerate(tests)]
        assert found.metrics[task.primary] == pytest.approx(wanted)
        assert level(found, task.primary).mean == pytest.approx(np.mean(wanted))


def test_r2_is_against_the_variance_of_all_tested_rows_whatever_each_replicate_standardises_by() -> None:
    labels, tests = labels_of(PRICE), folds()
    tested = np.concatenate(tests[:1] + tests[FOLDS : 2 * FOLDS])  # of the first repeat one fold alone
    tests = tests[:1] + tests[FOLDS:]
    logits = logits_of(PRICE, labels)[: len(tests)]
    tasks = [replace(PRICE, mean=100.0 + it, std=8.0 - it / 2) for it in range(len(tests))]
    moved = np.stack([(100 + 8 * one - it.mean) / it.std for one, it in zip(logits, tasks, strict=True)])
    found = scores(tasks, labels, moved, tests)
    there = tested[~np.isnan(labels[tested])]
    for place, rows in enumerate(tests):
        own = rows[~np.isnan(labels[rows])]
        error = np.mean((100 + 8 * logits[place, own, 0] - labels[own]) ** 2)
        assert found.metrics["r2"][place] == pytest.approx(1 - error / labels[there].var(), rel=1e-5)
        assert found.metrics["rmse"][place] == pytest.approx(error**0.5, rel=1e-5)
    same = scores(PRICE, labels, logits, tests)
    assert found.resampled == pytest.approx(same.resampled, rel=1e-4)


def test_a_fold_of_a_single_row_has_an_r2() -> None:
    labels, tests = np.arange(ROWS).astype(float), [np.array([place]) for place in range(ROWS)]
    logits = np.broadcast_to(((labels - 100) / 8 + 0.5)[None, :, None], (ROWS, ROWS, 1))
    found = scores(PRICE, labels, logits, tests)
    assert found.metrics["r2"] == pytest.approx(np.full(ROWS, 1 - 16 / labels.var()), rel=1e-4)


@pytest.mark.parametrize("task", [SPECIES, SEX, MARKS], ids=lambda task: task.kind)
@pytest.mark.parametrize("in_groups", [False, True])
def test_the_standard_error_of_rows_is_that_of_a_bootstrap_that_draws_each_row_once_for_all_folds(
    task: PreparedTask, in_groups: bool
) -> None:
    labels = labels_of(task)
    groups = np.arange(ROWS) // 4 if in_groups else None
    units = np.arange(ROWS) if groups is None else groups
    tests, logits = folds(groups=groups), logits_of(task, labels)
    logits += np.random.default_rng(3).normal(size=logits.shape[1:])  # rows that are hard for all
    metric, draws = metric_of(task, labels, logits), np.random.default_rng(0)
    values = []
    for _ in range(300):
        times = np.bincount(draws.integers(units.max() + 1, size=units.max() + 1), minlength=units.max() + 1)[units]
        values.append(np.mean([metric(np.repeat(rows, times[rows]), place) for place, rows in enumerate(tests)]))
    found = scores(task, labels, logits, tests, groups)
    count = units.max() + 1
    assert found.units == (count if in_groups else found.labelled.sum())
    assert level(found, task.primary).rows_var ** 0.5 == pytest.approx(
        np.std(values, ddof=1) * (count / (count - 1)) ** 0.5, rel=0.2
    )


def test_the_standard_error_of_r2_is_that_of_scipys_bootstrap() -> None:
    labels, tests = np.random.default_rng(4).normal(100, 8, ROWS), folds()
    logits = logits_of(PRICE, labels, noise=0.8)
    found = scores(PRICE, labels, logits, tests)

    def metric(drawn: np.ndarray) -> float:
        times = np.bincount(drawn, minlength=ROWS)
        parts = []
        for place, rows in enumerate(tests):
            errors = (100 + 8 * logits[place, rows, 0] - labels[rows]) ** 2
            parts.append(1 - np.average(errors, weights=times[rows]) / labels[drawn].var())
        return float(np.mean(parts))

    wanted = stats.bootstrap((np.arange(ROWS),), metric, vectorized=False, n_resamples=500, method="percentile",
                             rng=np.random.default_rng(0)).standard_error  # fmt: skip
    assert level(found, "r2").rows_var ** 0.5 == pytest.approx(wanted, rel=0.2)


@pytest.mark.parametrize("task", KINDS, ids=lambda task: task.kind)
def test_a_difference_to_itself_is_nothing_and_a_better_candidate_is_better(task: PreparedTask) -> None:
    labels, tests = labels_of(task), folds()
    good, bad = (
        scores(task, labels, logits_of(task, labels, noise, seed), tests) for noise, seed in ((0.3, 5), (2, 6))
    )
    draw_together([good, bad])
    assert difference(good, good, task.primary).se == pytest.approx(0.0, abs=1e-9)
    assert difference(good, bad, task.primary).verdict() == "better"
    found = delta_m({"t": good}, {"t": bad})
    assert (found.verdict(), found.num_seeds, found.left_out) == ("better", FOLDS * REPEATS, 0)
    assert found.knows == "rows and trainings"


def test_rows_that_no_replicate_tests_count_nowhere() -> None:
    labels, tests = labels_of(SPECIES), folds()[:2]
    logits = logits_of(SPECIES, labels)
    found = scores(SPECIES, labels, logits, tests)
    tested = np.concatenate(tests)
    assert found.units == (labels[tested] >= 0).sum() == found.labelled.sum()
    kept = np.sort(tested)  # as if the source had no other rows
    alone = scores(SPECIES, labels[kept], logits[:, kept], [np.searchsorted(kept, rows) for rows in tests])
    assert (alone.resampled == found.resampled).all()


def test_a_fold_that_lacks_a_class_is_left_out_of_f1_and_counted() -> None:
    labels, tests = labels_of(SPECIES), folds()
    labels[labels == 2] = 0
    labels[tests[0][0]] = 2  # of the third class there is one row
    logits = logits_of(SPECIES, labels)
    found = scores(SPECIES, labels, logits, tests)
    there = [2 in labels[rows] for rows in tests]
    assert sum(there) == REPEATS
    assert (np.isfinite(found.metrics["macro_f1"]) == there).all()
    assert np.isfinite(found.metrics["accuracy"]).all()
    table = scores_table({"it": {"t": found}}).set_index("metric")
    assert table.loc["macro_f1", ["num_seeds", "left_out"]].tolist() == [8, 6]
    assert table.loc["macro_f1", "mean"] == pytest.approx(found.metrics["macro_f1"][there].mean())
    assert table.loc["accuracy", "left_out"] == 0


def test_a_fold_without_both_kinds_of_rows_is_left_out_of_the_auc_of_all_and_of_each() -> None:
    labels, tests = labels_of(MARKS), folds()
    labels[tests[0]], labels[tests[1], 1] = 0.0, 0.0
    found = scores(MARKS, labels, logits_of(MARKS, labels), tests)
    assert np.isnan(found.metrics["roc_auc"]).tolist() == [True] + [False] * 7
    assert np.isnan(found.metrics["roc_auc.red"]).tolist() == [True, True] + [False] * 6
    assert np.isnan(found.metrics["macro_f1"]).tolist() == [True] + [False] * 7
    estimate = level(found, "roc_auc")
    assert (estimate.num_seeds, estimate.left_out) == (8, 1)
    assert estimate.mean == pytest.approx(found.metrics["roc_auc"][1:].mean())
    assert np.isfinite(found.resampled).all()
    other = scores(MARKS, labels, logits_of(MARKS, labels, 2.0, 9), tests)
    beside = scores(SEX, labels_of(SEX), logits_of(SEX, labels_of(SEX)), tests)
    together = delta_m({"m": found, "s": beside}, {"m": other, "s": beside})
    assert (together.knows, together.left_out, together.verdict()) == ("rows and trainings", 1, "better")


def test_entities_of_a_fold_without_any_have_no_f1() -> None:
    labels, tests = labels_of(TAGS), folds()
    labels[tests[2]] = np.minimum(labels[tests[2]], 0)
    found = scores(TAGS, labels, logits_of(TAGS, labels), tests)
    assert np.isnan(found.metrics["entity_f1"]).tolist() == [place == 2 for place in range(8)]
    assert np.isfinite(found.metrics["accuracy"]).all()
    assert np.isfinite(found.resampled).all()


def test_confusions_are_counted_by_the_names_of_classes() -> None:
    labels, tests = labels_of(SPECIES), folds()
    logits = logits_of(SPECIES, labels)
    logits[0, :, 1] = -np.inf  # the first replicate never answers b
    wanted = scores(SPECIES, labels, logits, tests)
    # Nor where its training rows have none, so that b has the last of its numbers.
    first = PreparedTask("multiclass", "s", ("a", "c"), unseen={"b": 10})
    own = np.concatenate([logits[:1, :, [0, 2, 1]], logits[1:]])
    found = scores([first, *[SPECIES] * 7], [np.array([0, 2, 1, -1])[labels], *[labels] * 7], own, tests)
    assert found.classes == ("a", "b", "c")
    assert (found.confusions == wanted.confusions).all()
    assert (found.metrics["accuracy"] == wanted.metrics["accuracy"]).all()
    assert confusions_table({"it": {"t": found}})["count"].sum() == REPEATS * (labels >= 0).sum()


@pytest.mark.parametrize("task", [SPECIES, PRICE], ids=lambda task: task.kind)
def test_metrics_of_ones_own_are_those_of_each_fold(task: PreparedTask) -> None:
    labels, tests = labels_of(task), folds()
    logits = logits_of(task, labels)
    path = {"multiclass": "sklearn.metrics:log_loss", "regression": "sklearn.metrics:median_absolute_error"}[task.kind]
    name = path.rpartition(":")[2]
    found = scores(task, labels, logits, tests, own=(path,))
    assert found.metrics[name].shape == (8,)
    assert found.undirected == {name}
    rows = tests[3][labels[tests[3]] >= 0] if task is SPECIES else tests[3][~np.isnan(labels[tests[3]])]
    if task is PRICE:
        wanted = sk.median_absolute_error(labels[rows], 100 + 8 * logits[3, rows, 0])
    else:
        wanted = sk.log_loss(labels[rows], torch.softmax(torch.from_numpy(logits[3, rows]), 1).numpy())
    assert found.metrics[name][3] == pytest.approx(wanted, rel=1e-4)
