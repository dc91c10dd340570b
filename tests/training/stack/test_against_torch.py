"""A stack trains as torch.nn and torch.optim do, given the same initial weights and batches."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.config import Experiment
from pipeline.config.training import TrainingSettings
from pipeline.data.batches import Batch, Batches
from pipeline.data.prepared import Prepared
from pipeline.stacked import MISSING, missing_in
from pipeline.training.loop import advance
from pipeline.training.slot import Slot
from pipeline.training.stack.network import build_network
from pipeline.training.stack.stack import Stack
from tests.training.made import MIXED, TRUNKS, by_name, experiment_on, random_data, seeds, trials
from tests.training.twins import twin

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


class Reference(nn.Module):
    """The experiment's network, written the usual way."""

    def __init__(self, prepared: Prepared, experiment: Experiment) -> None:
        super().__init__()
        self.tasks = prepared.tasks
        self.shared = experiment.model.sharing.kind == "shared"
        features = next(iter(prepared.sources.values())).features
        names = ["trunk"] if self.shared else [f"trunk.{task}" for task in self.tasks]
        sources = list(prepared.sources)
        settings = experiment.model.trunk
        if settings.kind == "mlp":
            self.trunks = {name: _trunk(experiment, features, sources) for name in names}
            width = (settings.widths or (features,))[-1]
        else:
            twins = {name: twin(settings, features) for name in names}
            self.trunks = {name: trunk for name, (trunk, _) in twins.items()}
            width = twins[names[0]][1]
        self.heads = {task: _head(experiment, width, it.outputs) for task, it in self.tasks.items()}
        self.parts = nn.ModuleList([*self.trunks.values(), *self.heads.values()])

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        sizes = {source: len(x) for source, x in inputs.items()}
        outputs = {}
        for task, it in self.tasks.items():
            given = inputs if self.shared else {it.source: inputs[it.source]}
            x = torch.cat(list(given.values()))
            for layer in self.trunks["trunk" if self.shared else f"trunk.{task}"]:
                x = layer(x, list(given), sizes) if isinstance(layer, PerSource) else layer(x)
            outputs[task] = self.heads[task](x.split([sizes[s] for s in given])[list(given).index(it.source)])
        return outputs

    def take(self, named: dict[str, Tensor], k: int) -> None:
        """Slot k's weights."""
        for prefix, layers in [*self.trunks.items(), *((f"head.{task}", it) for task, it in self.heads.items())]:
            for index, layer in enumerate(layers):
                for name, parameter in layer.named_parameters():
                    parameter.data.copy_(named[f"{prefix}.{index}.{name}"][k])

    def values(self) -> dict[str, Tensor]:
        """Parameters by the stack's names."""
        parts = [*self.trunks.items(), *((f"head.{task}", it) for task, it in self.heads.items())]
        return {
            f"{prefix}.{index}.{name}": parameter.data
            for prefix, layers in parts
            for index, layer in enumerate(layers)
            for name, parameter in layer.named_parameters()
        }


class PerSource(nn.Module):
    """Batch norm with running statistics a source, one scale and shift for all."""

    def __init__(self, width: int, sources: list[str]) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.norms = {source: nn.BatchNorm1d(width, affine=False) for source in sources}

    def forward(self, x: Tensor, sources: list[str], sizes: dict[str, int]) -> Tensor:
        parts = x.split([sizes[source] for source in sources])
        normed = [self.norms[source].train(len(part) > 1)(part) for source, part in zip(sources, parts, strict=True)]
        return torch.cat(normed) * self.weight + self.bias


def _trunk(experiment: Experiment, width: int, sources: list[str]) -> nn.Sequential:
    settings, layers = experiment.model.trunk, []
    for units in settings.widths:
        norms: dict[str, Any] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
        layers.append(nn.Linear(width, units))
        if settings.norm in norms:
            layers.append(norms[settings.norm](units))
        elif settings.norm == "batch_per_source":
            layers.append(PerSource(units, sources))
        layers += [ACTIVATIONS[settings.activation](), nn.Dropout(settings.dropout)]
        width = units
    return nn.Sequential(*layers)


def _head(experiment: Experiment, width: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for units in getattr(experiment.model.head, "widths", ()):
        layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(experiment.model.head.dropout)]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def _optimizer(parameters: Iterator[nn.Parameter], it: TrainingSettings) -> torch.optim.Optimizer:
    common = {"lr": it.learning_rate, "weight_decay": it.weight_decay}
    if it.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=it.momentum, nesterov=it.nesterov, **common)
    if it.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, alpha=it.beta2, eps=it.epsilon, momentum=it.momentum, **common)
    kind = torch.optim.AdamW if it.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, betas=(it.beta1, it.beta2), eps=it.epsilon, **common)


def _loss(kind: str, logits: Tensor, targets: Tensor, regression: str = "squared") -> Tensor:
    there = ~missing_in(targets)
    if not there.any():
        return logits.sum() * 0.0
    if kind == "multilabel":
        return functional.binary_cross_entropy_with_logits(logits[there], targets[there])
    if kind == "regression":
        losses = {"squared": functional.mse_loss, "absolute": functional.l1_loss, "huber": functional.huber_loss}
        return losses[regression](logits[there, 0], targets[there])
    if kind == "binary":
        return functional.binary_cross_entropy_with_logits(logits[there, 0], targets[there].float())
    return functional.cross_entropy(logits, targets, ignore_index=MISSING)


def _train_reference(model: Reference, prepared: Prepared, slot: Slot) -> None:
    settings, balancing = slot.experiment.training, slot.experiment.balancing
    weights = balancing.normalised(list(prepared.tasks))
    optimizer = _optimizer(model.parameters(), settings)
    batches = Batches(prepared, [prepared.split("train")], settings.batch_size, slot.experiment.data.mix)
    for epoch in range(settings.epochs):
        for batch in batches.epoch([slot.data_stream], epoch):
            optimizer.zero_grad()
            _total(model, prepared, batch, weights, slot.experiment).backward()
            if settings.clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            optimizer.step()


def _total(
    model: Reference, prepared: Prepared, batch: Batch, weights: dict[str, float], experiment: Experiment
) -> Tensor:
    outputs = model({source: batch.inputs[source][0] / prepared.sources[source].scale for source in batch.inputs})
    labels = {
        task: it.values[0].where(it.labelled[0] > 0, torch.nan if it.values.is_floating_point() else MISSING)
        for task, it in batch.targets.items()
    }
    losses = [
        weights[task] * _loss(it.kind, outputs[task], labels[task], experiment.tasks[task].loss)
        for task, it in prepared.tasks.items()
    ]
    return torch.stack(losses).sum()


def _check(prepared: Prepared, slots: list[Slot], tolerance: float = 2e-5) -> None:
    network = build_network(prepared, [slot.experiment for slot in slots])
    network.initialise([slot.stream for slot in slots])
    initial = network.named(network.values, network.buffers)
    stack = Stack(prepared, slots)
    while stack.running:
        advance(stack)
    states = by_name(stack)
    rows = [torch.stack([torch.from_numpy(states[slot.name].arrays[f"best.{what}"]) for slot in slots])
            for what in ("values", "buffers")]  # fmt: skip
    found = network.named(*rows)
    for k, slot in enumerate(slots):
        model = Reference(prepared, slot.experiment).train()
        model.take(initial, k)
        _train_reference(model, prepared, slot)
        assert max((wanted - initial[name][k]).abs().max().item() for name, wanted in model.values().items()) > 0.01
        for name, wanted in model.values().items():
            torch.testing.assert_close(found[name][k], wanted, rtol=tolerance, atol=tolerance)


NETWORKS: dict[str, dict[str, Any]] = {
    "shared": {},
    "separate": {"model.sharing": "separate"},
    "deep": {"model.trunk.widths": [12, 1, 6], "model.trunk.activation": "tanh"},
    "mlp heads": {"model.head": {"kind": "mlp", "widths": [6, 4]}},
    "no trunk": {"model.trunk.widths": []},
    "batch": {"model.trunk.norm": "batch", "training.batch_size": 10},
    "batch per source": {"model.trunk.norm": "batch_per_source", "training.batch_size": 10},
    "layer": {"model.trunk.norm": "layer", "model.trunk.activation": "silu"},
    "gelu": {"model.trunk.activation": "gelu"},
    "clipped": {"training.clip_norm": 0.5},
    "weighted": {"balancing.weights": {"digit": 2.0, "parity": 1.0, "other": 0.25}},
}

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"training.optimizer": "sgd", "training.learning_rate": 0.1},
    "momentum": {"training.optimizer": "sgd", "training.momentum": 0.9, "training.weight_decay": 0.01},
    "nesterov": {"training.optimizer": "sgd", "training.momentum": 0.8, "training.nesterov": True},
    "adam": {"training.weight_decay": 0.01, "training.beta1": 0.8, "training.epsilon": 1e-4},
    "adamw": {"training.optimizer": "adamw", "training.weight_decay": 0.1, "training.epsilon": 1e-4},
    "rmsprop": {"training.optimizer": "rmsprop", "training.beta2": 0.9, "training.epsilon": 1e-3},
    "rmsprop momentum": {
        "training.optimizer": "rmsprop", "training.momentum": 0.5, "training.epsilon": 1e-2,
        "training.weight_decay": 0.01,
    },
}  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS)
def test_network_trains_as_its_equivalent_in_torch(network: str, tmp_path: Path) -> None:
    prepared = random_data(tmp_path, missing={"digit": 0.3})
    momentum = {"training.optimizer": "sgd", "training.momentum": 0.9, "model.trunk.dropout": 0.0}
    _check(prepared, seeds(experiment_on(prepared, momentum | NETWORKS[network]), 2))


@pytest.mark.parametrize("trunk", ["residual", "residual, layer norm", "lenet", "lenet, tanh", "resnet"])
@pytest.mark.parametrize("sharing", ["shared", "separate"])
def test_trunk_trains_as_its_equivalent_in_torch(trunk: str, sharing: str, tmp_path: Path) -> None:
    prepared = random_data(tmp_path, side=14, missing={"digit": 0.3})
    values = {"training.optimizer": "sgd", "training.momentum": 0.9, "model.sharing": sharing,
              "training.batch_size": 10}  # fmt: skip
    own: dict[str, Any] = {"dropout": 0.0}
    if trunk == "resnet":  # so deep a network has a unit whose rounding decides on which side of relu's kink it lies
        own["activation"] = "silu"
    _check(prepared, seeds(experiment_on(prepared, values | {"model.trunk": TRUNKS[trunk] | own}), 2))


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
@pytest.mark.parametrize("sharing", ["shared", "separate"])
def test_every_kind_of_task_trains_as_in_torch_with_targets_missing(loss: str, sharing: str, tmp_path: Path) -> None:
    prepared = random_data(tmp_path, MIXED, missing=dict.fromkeys(MIXED, 0.3))
    values = {"training.optimizer": "sgd", "training.momentum": 0.9, "model.trunk.dropout": 0.0}
    experiment = experiment_on(prepared, values | {"tasks.size.loss": loss, "model.sharing": sharing})
    _check(prepared, seeds(experiment, 2))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_trains_as_in_torch(optimizer: str, tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    _check(prepared, seeds(experiment_on(prepared, {"model.trunk.dropout": 0.0} | OPTIMIZERS[optimizer]), 2))


def test_trials_with_settings_of_their_own_train_as_in_torch(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    own = [
        {"training.learning_rate": 0.1, "training.momentum": 0.5},
        {"training.learning_rate": 0.02, "training.weight_decay": 0.1, "training.clip_norm": 0.3},
        {"balancing.weights": {"digit": 0.0, "parity": 2.0, "other": 1.0}, "training.learning_rate": 0.05},
    ]
    base = {"training.optimizer": "sgd", "model.trunk.dropout": 0.0}
    _check(prepared, trials([experiment_on(prepared, base | it) for it in own]))
