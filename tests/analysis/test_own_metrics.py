"""Metrics of the user's own get the truth and the answers in the task's terms, and stand beside the others."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from pipeline.analysis.metrics import TaskScores
from pipeline.analysis.own_metrics import check_metrics
from pipeline.analysis.scores import scorer_of
from pipeline.analysis.tables import differences_table
from pipeline.data.prepared import PreparedTask
from pipeline.errors import UserError
from pipeline.stacked import Targets

PARTS = "tests.testing.parts"
SLOTS, ROWS = 2, 40
TASKS = {
    "multiclass": PreparedTask("multiclass", "a", ("x", "y", "z")),
    "binary": PreparedTask("binary", "a", ("x", "y")),
    "multilabel": PreparedTask("multilabel", "a", ("x", "y", "z")),
    "regression": PreparedTask("regression", "a", (), mean=50.0, std=10.0),
}
seen: list[tuple[np.ndarray, np.ndarray]] = []


def remembered(true: np.ndarray, answers: np.ndarray) -> float:
    seen.append((true, answers))
    return float("nan")


def stored(kind: str, missing: int = 5) -> np.ndarray:
    draws = np.random.default_rng(0)
    if kind in ("multiclass", "binary"):
        labels = draws.integers(len(TASKS[kind].classes), size=ROWS)
        labels[:missing] = -1
        return labels
    numbers = draws.normal(size=ROWS) if kind == "regression" else draws.integers(2, size=(ROWS, 3))
    numbers = numbers.astype(np.float32)
    numbers[:missing] = np.nan
    return numbers


def scored(kind: str, *metrics: str) -> tuple[TaskScores, np.ndarray, torch.Tensor]:
    labels = stored(kind)
    logits = torch.randn(SLOTS, ROWS, TASKS[kind].outputs, generator=torch.Generator().manual_seed(1))
    scorer = scorer_of(TASKS[kind], own=[f"{PARTS}:{name}" if ":" not in name else name for name in metrics])
    for rows in (slice(0, 17), slice(17, ROWS)):
        scorer.take(logits[:, rows], Targets.of(torch.from_numpy(labels[rows]).unsqueeze(0)))
    return scorer.scores(labels), labels, logits


@pytest.mark.parametrize("kind", TASKS)
def test_the_others_are_what_they_are_without(kind: str) -> None:
    with_own, plain = scored(kind, f"{__name__}:remembered")[0], scored(kind)[0]
    assert with_own.metrics.keys() - plain.metrics.keys() == {"remembered"}
    for name, values in plain.metrics.items():
        np.testing.assert_array_equal(with_own.metrics[name], values)


def test_numbers_are_in_the_unit_of_the_target() -> None:
    scores, labels, logits = scored("regression", "bias")
    wanted = 10.0 * (logits[1, 5:, 0].numpy() - labels[5:]).mean()
    assert scores.metrics["bias"][1] == pytest.approx(wanted, rel=1e-5)


def test_numbers_are_answered_within_the_range_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    seen.clear()
    monkeypatch.setitem(TASKS, "regression", replace(TASKS["regression"], low=45.5, high=57.1))
    _, labels, logits = scored("regression", f"{__name__}:remembered")
    true, answers = seen[0]
    assert (answers.min(), answers.max()) == (45.5, 57.1)
    np.testing.assert_allclose(answers, (50.0 + 10.0 * logits[0, 5:, 0].double().numpy()).clip(45.5, 57.1))
    np.testing.assert_allclose(true, 50.0 + 10.0 * labels[5:].astype(float))


def test_classes_have_probabilities() -> None:
    scores, labels, logits = scored("multiclass", "brier")
    wanted = sk.brier_score_loss(labels[5:], torch.softmax(logits[0, 5:].double(), 1).numpy(), scale_by_half=False)
    assert scores.metrics["brier"][0] == pytest.approx(wanted)


@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_two_classes_and_labels_have_the_probability_of_being_there(kind: str) -> None:
    seen.clear()
    _, labels, logits = scored(kind, f"{__name__}:remembered")
    assert len(seen) == SLOTS
    true, answers = seen[1]
    np.testing.assert_array_equal(true, labels[5:])
    chances = torch.sigmoid(logits[1, 5:].double()).numpy()
    np.testing.assert_allclose(answers, chances if kind == "multilabel" else chances[:, 0])


def test_they_have_differences_and_no_verdict() -> None:
    own, _, _ = scored("regression", "bias")
    table = differences_table({"one": {"size": own}, "other": {"size": own}}, [("one", "other")]).set_index("metric")
    assert table.loc["bias", "verdict"] == ""
    assert table.loc["r2", "verdict"] == "unclear"


@pytest.mark.parametrize(
    ("paths", "line"),
    [
        (["missing"], "no module at"),
        (["ABOUT"], "is a str"),
        (["infinite"], "should answer a finite number or NaN, not inf"),
        (["several"], "should answer a finite number or NaN, not array"),
        (["accuracy"], "there is a metric 'accuracy' already"),
        (["bias", "bias"], "there is a metric 'bias' already"),
        (["brier"], "metric 'tests.testing.parts:brier': "),
        (["Smoothed"], "it should be a class with __call__"),
    ],
)
def test_what_is_wrong_with_them_is_one_line(paths: list[str], line: str) -> None:
    with pytest.raises(UserError, match=line) as error:
        check_metrics("regression", [f"{PARTS}:{path}" for path in paths])
    assert "\n" not in str(error.value)
