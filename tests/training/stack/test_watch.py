"""Watching the tasks' gradients: training does not feel it, and what is told is what autograd finds."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.config import Experiment, with_values
from pipeline.data.batches import Batch, Batches
from pipeline.data.prepared import Prepared
from pipeline.errors import UserError
from pipeline.stacked import MISSING
from pipeline.steps.restricted import single_task
from pipeline.training.slot import Slot
from pipeline.training.stack.network import build_network
from tests.training.made import (
    MIXED,
    SHARINGS,
    TRUNKS,
    assert_same,
    experiment_on,
    few_data,
    images_for,
    random_data,
    seeds,
    trained,
)
from tests.training.stack.test_against_torch import Reference, _loss, _optimizer, _total

WATCHED = {"training.watch": {"every": 2, "lookahead": True}}


REPEATED = ("residual, layer norm", "lenet, tanh", "resnet per source")
"""Of a kind that another trunk has."""


@pytest.mark.parametrize(
    "network", [pytest.param(it, marks=[pytest.mark.slow] if it in REPEATED else []) for it in (*TRUNKS, *SHARINGS)]
)
def test_training_does_not_feel_it(network: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path, side=14 if network in TRUNKS else 0, missing={"digit": 0.3})
    prepared = images_for(network, prepared)
    values = {"model.trunk": TRUNKS[network]} if network in TRUNKS else {"model.sharing": SHARINGS[network]}
    plain, watched = (trained(prepared, seeds(experiment_on(prepared, values | it), 2)) for it in ({}, WATCHED))
    for name, state in plain.items():
        for epoch, own in zip(state.history, watched[name].history, strict=True):
            told = {
                key for key in own if key.split("/")[-1].startswith(("affinity", "cosine", "gradient", "conflicts"))
            }
            assert len(told) == 9 + 3 + 3 + 1
            assert repr({key: value for key, value in own.items() if key not in told}) == repr(epoch)
        watched[name].history = state.history
        assert_same(watched[name], state)


@pytest.mark.parametrize("method", ["fixed", "famo", "upgrad", "modo", "graddrop"])
def test_a_method_does_not_feel_it_and_a_slot_is_the_same_alone(method: str, tmp_path: Path) -> None:
    prepared = few_data(tmp_path, MIXED, missing=dict.fromkeys(MIXED, 0.3))
    values = {"balancing.method": method}
    plain, watched = (experiment_on(prepared, values | it) for it in ({}, WATCHED))
    alone = trained(prepared, seeds(watched, 1))["seed/0"]
    assert_same(trained(prepared, seeds(watched, 3))["seed/0"], alone)
    alone.history = (before := trained(prepared, seeds(plain, 1))["seed/0"]).history
    assert_same(alone, before)


@pytest.mark.parametrize(
    "optimizer",
    [
        {"training.optimizer": "sgd", "training.momentum": 0.9, "training.learning_rate": 0.1},
        {"training.optimizer": "adam", "training.weight_decay": 0.1},
        {"training.optimizer": "rmsprop", "training.momentum": 0.5, "training.beta2": 0.9},
    ],
    ids=lambda it: str(it["training.optimizer"]),
)
def test_what_is_told_is_what_autograd_finds(optimizer: dict[str, Any], tmp_path: Path) -> None:
    prepared = random_data(tmp_path, missing={"digit": 0.3})
    values = {"training.watch": {"every": 3, "lookahead": True}, "model.trunk.dropout": 0.0, "training.epochs": 2}
    (slot,) = seeds(experiment_on(prepared, values | optimizer), 1)
    wanted = _looked_at(prepared, slot)
    history = trained(prepared, [slot])[slot.name].history
    for epoch, means in zip(history, wanted, strict=True):
        assert len(means) == 9 + 3
        for key, value in means.items():
            assert epoch[f"train/{key}"] == pytest.approx(value, rel=2e-2, abs=2e-5), key
    assert min(value for key, value in wanted[0].items() if key == "other/affinity_other") > 0.0


def test_a_task_without_a_labelled_row_is_not_told_of(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, missing={"digit": 1.0})
    told = trained(prepared, seeds(experiment_on(prepared, WATCHED), 1))["seed/0"].history[-1]
    assert "train/parity/affinity_other" in told
    assert "train/parity/cosine_other" in told
    assert not [key for key in told if "digit" in key and ("affinity" in key or "cosine" in key)]
    assert told["train/digit/gradient_norm"] == 0.0


def test_what_has_no_shared_layers_is_refused(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    for value in ({"model.sharing": "separate"}, {"model.trunk.widths": []}):
        with pytest.raises((UserError, ValueError), match=r"training.watch reads gradients on layers"):
            experiment_on(prepared, WATCHED | value)


def test_a_task_alone_is_not_watched(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    experiment = with_values(experiment_on(prepared), WATCHED)
    alone = single_task(experiment, "digit")
    assert alone.training.watch is None
    told = trained(prepared.only(["digit"]), seeds(with_values(alone, WATCHED), 1))["seed/0"].history[-1]
    assert not [key for key in told if "affinity" in key]


def _looked_at(prepared: Prepared, slot: Slot) -> list[dict[str, float]]:
    """The means of each epoch, by a network written the usual way."""
    experiment = slot.experiment
    network = build_network(prepared, [experiment])
    network.initialise([slot.stream])
    model = Reference(prepared, experiment).train()
    model.take(network.named(network.values, network.buffers), 0)
    optimizer = _optimizer(model.parameters(), experiment.training)
    batches = Batches(prepared, [prepared.split("train")], experiment.training.batch_size, experiment.data.mix)
    epochs, done = [], 0
    for epoch in range(experiment.training.epochs):
        seen: dict[str, list[float]] = defaultdict(list)
        for step, batch in enumerate(batches.epoch([slot.data_stream], epoch)):
            if step % 3 == 0:
                _look(model, optimizer, prepared, batch, experiment, done, seen)
            optimizer.zero_grad()
            _total(model, prepared, batch, dict.fromkeys(prepared.tasks, 1.0), experiment).backward()
            optimizer.step()
            done += 1
        epochs.append({key: sum(values) / len(values) for key, values in seen.items()})
    return epochs


def _look(
    model: Reference,
    optimizer: torch.optim.Optimizer,
    prepared: Prepared,
    batch: Batch,
    experiment: Experiment,
    done: int,
    seen: dict[str, list[float]],
) -> None:
    shared = list(model.trunks["trunk"].parameters())
    before = _each(model, prepared, batch, experiment)
    gradients = {task: torch.autograd.grad(loss, shared, retain_graph=True) for task, loss in before.items()}
    flat = {task: torch.cat([it.flatten() for it in gradient]) for task, gradient in gradients.items()}
    there = [task for task, loss in before.items() if loss > 0]
    for place, one in enumerate(there):
        for other in there[place + 1 :]:
            seen[f"{one}/cosine_{other}"].append(torch.cosine_similarity(flat[one], flat[other], 0).item())
        kept = [it.detach().clone() for it in shared]
        for parameter, gradient in zip(shared, gradients[one], strict=True):
            parameter.data -= _step(gradient, optimizer.state[parameter], experiment, done)
        after = _each(model, prepared, batch, experiment)
        for parameter, value in zip(shared, kept, strict=True):
            parameter.data = value
        for other in there:
            seen[f"{one}/affinity_{other}"].append(1.0 - (after[other] / before[other]).item())


def _step(gradient: Tensor, state: dict[str, Any], experiment: Experiment, done: int) -> Tensor:
    it = experiment.training
    if it.optimizer == "sgd":
        return it.learning_rate * gradient
    name = "exp_avg_sq" if it.optimizer == "adam" else "square_avg"
    square = it.beta2 * state.get(name, torch.zeros_like(gradient)) + (1 - it.beta2) * gradient**2
    square = square / (1 - it.beta2 ** (done + 1)) if it.optimizer == "adam" else square
    return it.learning_rate * gradient / (square.sqrt() + it.epsilon)


def _each(model: Reference, prepared: Prepared, batch: Batch, experiment: Experiment) -> dict[str, Tensor]:
    """Every task's loss on the batch."""
    outputs = model({source: batch.inputs[source][0] / prepared.sources[source].scale for source in batch.inputs})
    labels = {
        task: torch.where(batch.targets[task].labelled[0] > 0, batch.targets[task].values[0], MISSING)
        for task in prepared.tasks
    }
    return {task: _loss(it.kind, outputs[task], labels[task]) for task, it in prepared.tasks.items()}
