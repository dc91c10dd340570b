from pathlib import Path

import pytest
import torch

from pipeline.data.prepared import Prepared
from pipeline.draws import Stream
from pipeline.model import Pass
from pipeline.stacked import MISSING
from pipeline.training.assess import assess
from pipeline.training.loop import advance
from pipeline.training.stack.network import build_network
from pipeline.training.stack.stack import Stack
from tests.training.made import experiment_on, random_data, seeds


def by_hand(prepared: Prepared, split: str, task: str, logits: torch.Tensor) -> tuple[float, float]:
    """Mean loss and accuracy of one slot over the labelled rows."""
    targets = torch.from_numpy(prepared.split(split).labels[task].copy())
    there = targets != MISSING
    log = logits[there].double().log_softmax(-1)
    right = (logits[there].argmax(-1) == targets[there]).double().mean().item()
    return torch.nn.functional.nll_loss(log, targets[there]).item(), right


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_assess_weighs_rows_over_all_batches(missing: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = random_data(tmp_path, missing={"digit": missing})
    network = build_network(prepared, [experiment_on(prepared)] * 2)
    network.initialise([Stream(0, "a"), Stream(0, "b")])
    split = prepared.split("train")
    found = assess(network, prepared, split)
    x = torch.from_numpy(split.inputs["left"].copy()).float().unsqueeze(0)
    logits = network.forward({"left": x})["digit"]
    for k in range(2):
        loss, right = by_hand(prepared, "train", "digit", logits[k])
        assert found[k]["digit/nll"] == pytest.approx(loss, rel=1e-5)
        assert found[k]["digit/accuracy"] == pytest.approx(right)
    assert list(found[0]) == [f"{task}/{name}" for task in prepared.tasks for name in ("nll", "accuracy")]


def test_assess_answers_nan_for_a_task_without_labels(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, missing={"parity": 1.0})
    network = build_network(prepared, [experiment_on(prepared)])
    network.initialise([Stream(0, "a")])
    metrics = assess(network, prepared, prepared.split("validation"))[0]
    assert metrics["parity/nll"] != metrics["parity/nll"]
    assert metrics["digit/nll"] > 0


def test_assessing_draws_nothing_and_moves_no_statistics(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    network = build_network(prepared, [experiment_on(prepared, {"model.trunk.norm": "batch"})])
    network.initialise([Stream(0, "a")])
    inputs = {source: torch.rand(1, 8, 37) for source in prepared.sources}
    network.forward(inputs, Pass({}, [Stream(0, "a")]))
    before = network.buffers.clone()
    first, second = (assess(network, prepared, prepared.split("validation")) for _ in range(2))
    assert first == second
    assert torch.equal(network.buffers, before)


def test_training_metrics_of_an_epoch_are_over_its_labelled_rows(tmp_path: Path) -> None:
    # At a rate of next to nothing the epoch's metrics are those of the initial network.
    prepared = random_data(tmp_path, missing={"digit": 0.3})
    still = {"training.learning_rate": 1e-12, "model.trunk.dropout": 0.0, "training.optimizer": "sgd"}
    stack = Stack(prepared, seeds(experiment_on(prepared, still), 1))
    wanted = assess(stack.network, prepared, prepared.split("train"))[0]
    found = advance(stack)[0].history[0]
    for key, value in wanted.items():
        assert found[f"train/{key}"] == pytest.approx(value, rel=1e-5)
