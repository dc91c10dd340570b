"""What is counted of rows, against scikit-learn on all rows at once."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import Tensor

from pipeline.data.prepared import PreparedTask
from pipeline.stacked import HOST, MISSING, On, Targets
from pipeline.training import tallies
from pipeline.training.tallies import Tally, metrics, tally_of

SLOTS, ROWS, LABELS = 2, 5000, 3
TASKS = {
    "multiclass": PreparedTask("multiclass", "a", ("x", "y", "z")),
    "binary": PreparedTask("binary", "a", ("no", "yes")),
    "multilabel": PreparedTask("multilabel", "a", ("x", "y", "z")),
    "regression": PreparedTask("regression", "a", (), mean=5.0, std=2.5),
}


def made(kind: str, missing: float = 0.2) -> tuple[Tensor, Tensor]:
    """Logits [K, N, C] that know something of the targets [1, N, ...]."""
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(SLOTS, ROWS, TASKS[kind].outputs, generator=draws)
    gone = torch.rand(1, ROWS, generator=draws) < missing
    if kind in ("multiclass", "binary"):
        targets = torch.randint(len(TASKS[kind].classes), (1, ROWS), generator=draws)
        logits[..., 0] += (targets == (1 if kind == "binary" else 0)).float()
        return logits, targets.masked_fill(gone, MISSING)
    if kind == "multilabel":
        targets = (torch.rand(1, ROWS, LABELS, generator=draws) < torch.tensor([0.5, 0.1, 0.02])).float()
        gone = torch.rand(1, ROWS, LABELS, generator=draws) < missing
        return logits + 2 * targets, targets.masked_fill(gone, torch.nan)
    targets = torch.randn(1, ROWS, generator=draws)
    return 0.3 * logits + targets.unsqueeze(2), targets.masked_fill(gone, torch.nan)


def counted(tally: Tally, logits: Tensor, targets: Tensor, rows: int = 700) -> list[dict[str, float]]:
    for start in range(0, logits.size(1), rows):
        part = slice(start, start + rows)
        tally.take(logits[:, part], Targets.of(targets[:, part]))
    return metrics({"task": tally})


def wanted(kind: str, logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """By scikit-learn, of one slot."""
    if kind == "regression":
        there = ~np.isnan(targets)
        true, said = 5.0 + 2.5 * targets[there], 5.0 + 2.5 * logits[there, 0]
        rmse = sk.root_mean_squared_error(true, said)
        return {"rmse": rmse, "mae": sk.mean_absolute_error(true, said), "r2": sk.r2_score(true, said)}
    if kind == "multilabel":
        there = ~np.isnan(targets)
        areas = [sk.roc_auc_score(targets[it, n], logits[it, n]) for n, it in enumerate(there.T)]
        chance = 1 / (1 + np.exp(-logits[there].astype(np.float64)))
        return {"nll": sk.log_loss(targets[there], chance), "roc_auc": float(np.mean(areas))}
    there = targets >= 0
    two = logits if logits.shape[1] > 1 else np.concatenate([np.zeros_like(logits), logits], 1)
    chance = torch.from_numpy(two[there]).double().softmax(1).numpy()
    right = (chance.argmax(1) == targets[there]).mean()
    return {"nll": sk.log_loss(targets[there], chance), "accuracy": right}


@pytest.mark.parametrize("on", [HOST, On("cpu", batched=True)])
@pytest.mark.parametrize("kind", TASKS)
def test_metrics_are_those_of_all_rows_together(kind: str, on: On) -> None:
    logits, targets = made(kind)
    found = counted(tally_of([TASKS[kind]], on), logits, targets)
    for k in range(SLOTS):
        expected = {f"task/{name}": it for name, it in wanted(kind, logits[k].numpy(), targets[0].numpy()).items()}
        # Binned logits that are closer than 1/32 count as ties.
        assert found[k] == pytest.approx(expected, abs=2e-4 if kind == "multilabel" else 1e-5)


@pytest.mark.parametrize("kind", TASKS)
def test_of_very_many_outputs_fewer_rows_are_counted_at_a_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, targets = made(kind)
    whole = counted(tally_of([TASKS[kind]], HOST), logits, targets)
    monkeypatch.setattr(tallies, "_LOGITS", 1_000 * TASKS[kind].outputs)
    assert tallies.counted(TASKS[kind].outputs) == 1_000
    for found, expected in zip(counted(tally_of([TASKS[kind]], HOST), logits, targets), whole, strict=True):
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", TASKS)
def test_the_count_starts_again(kind: str) -> None:
    logits, targets = made(kind)
    tally = tally_of([TASKS[kind]], HOST)
    assert counted(tally, logits, targets) == counted(tally, logits, targets)


@pytest.mark.parametrize("kind", TASKS)
def test_without_a_target_nothing_is_a_number(kind: str) -> None:
    logits, targets = made(kind, missing=1.1)
    (found, _) = counted(tally_of([TASKS[kind]], HOST), logits, targets)
    assert all(np.isnan(value) for value in found.values())


@pytest.mark.parametrize("kind", TASKS)
def test_a_slot_counts_the_same_bit_for_bit_whatever_its_neighbours(kind: str) -> None:
    logits, targets = made(kind)
    together = counted(tally_of([TASKS[kind]], HOST), logits, targets)
    for k in range(SLOTS):
        assert counted(tally_of([TASKS[kind]], HOST), logits[k : k + 1], targets) == [together[k]]


def test_a_label_that_all_rows_have_is_left_out_of_the_mean() -> None:
    logits, targets = made("multilabel", missing=0.0)
    targets[..., 1] = 1.0
    (found, _) = counted(tally_of([TASKS["multilabel"]], HOST), logits, targets)
    areas = [sk.roc_auc_score(targets[0, :, n], logits[0, :, n]) for n in (0, 2)]
    assert found["task/roc_auc"] == pytest.approx(np.mean(areas), abs=2e-4)


def test_equal_targets_have_no_r2() -> None:
    logits, targets = made("regression", missing=0.0)
    (found, _) = counted(tally_of([TASKS["regression"]], HOST), logits, torch.ones_like(targets))
    assert np.isnan(found["task/r2"])
    assert found["task/rmse"] > 0


def test_answers_are_clipped_to_the_range_of_training_before_they_are_counted() -> None:
    logits, targets = made("regression")
    task = replace(TASKS["regression"], low=2.0, high=8.0)
    found = counted(tally_of([task], HOST), logits, targets)
    for k in range(SLOTS):
        kept = logits[k].numpy().clip(*task.bounds)
        expected = {f"task/{name}": it for name, it in wanted("regression", kept, targets[0].numpy()).items()}
        assert found[k] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("answer", [torch.inf, torch.nan])
def test_an_answer_that_is_no_number_is_not_clipped_away(answer: float) -> None:
    logits, targets = made("regression", missing=0.0)
    logits[0, 17] = answer
    lost, right = counted(tally_of([replace(TASKS["regression"], low=2.0, high=8.0)], HOST), logits, targets)
    assert not np.isfinite(lost["task/r2"])
    assert np.isfinite(right["task/r2"])


def test_answer_that_is_no_number_is_infinitely_wrong_and_without_a_target_nothing() -> None:
    logits, targets = made("regression", missing=0.0)
    targets[0, 0], logits[:, 0] = torch.nan, torch.nan
    assert np.isfinite(list(counted(tally_of([TASKS["regression"]], HOST), logits, targets)[1].values())).all()
    logits[1, 3] = torch.nan
    fine, lost = counted(tally_of([TASKS["regression"]], HOST), logits, targets)
    assert np.isfinite(list(fine.values())).all()
    assert lost == {"task/rmse": np.inf, "task/mae": np.inf, "task/r2": -np.inf}


def test_right_answers_are_counted_among_labelled_rows_only() -> None:
    for kind, logits, targets, share in (
        ("multiclass", [[[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [5.0, 0.0, 0.0]]], [[0, 0, MISSING]], 1 / 2),
        ("binary", [[[2.0], [-1.0], [-3.0], [-1.0]]], [[1, 1, 0, MISSING]], 2 / 3),
    ):
        (found,) = counted(tally_of([TASKS[kind]], HOST), torch.tensor(logits), torch.tensor(targets))
        assert found["task/accuracy"] == pytest.approx(share)
