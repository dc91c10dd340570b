"""Which parameters a run has."""

from typing import Any

import pytest

from pipeline.config import Experiment, experiment_files, load
from pipeline.steps.runs.parameters import of_network, parameters, parameters_of
from pipeline.steps.runs.projection import _MOST_METRICS
from pipeline.tuning.space import trial_experiment
from tests.conftest import REPOSITORY

TASKS = {"digit": {"kind": "multiclass", "source": "digits"}, "parity": {"kind": "binary", "source": "digits"}}
ALWAYS = {
    "seed", "model.sharing.kind", "model.head.kind", "model.trunk.kind", "model.trunk.dropout",
    "model.trunk.widths", "model.trunk.activation", "model.trunk.norm", "model.trunk.embedding", "training.updates",
    "training.batch_size", "training.optimizer", "training.learning_rate", "training.weight_decay", "training.schedule",
    "balancing.method", "balancing.weights.digit", "balancing.weights.parity",
}  # fmt: skip


def experiment(**values: Any) -> Experiment:
    return Experiment.model_validate({"name": "digits", "tasks": TASKS, **values})


def test_what_is_at_its_default_is_left_out() -> None:
    assert set(parameters(experiment(tuning=None))) - {"tuning"} == ALWAYS


@pytest.mark.parametrize(
    ("values", "key", "value"),
    [
        ({"training": {"clip_norm": 1.0}}, "training.clip_norm", 1.0),
        ({"training": {"epochs": 3}}, "training.epochs", 3),
        ({"training": {"optimizer": "sgd", "momentum": 0.9}}, "training.momentum", 0.9),
        ({"model": {"sharing": "mmoe"}}, "model.sharing.experts", 4),
        ({"model": {"trunk": "residual"}}, "model.trunk.norm", "batch"),
        ({"model": {"head": {"kind": "mlp", "widths": [8]}}}, "model.head.widths", [8]),
        ({"balancing": {"method": "cagrad"}}, "balancing.c", 0.4),
        ({"balancing": {"method": "uncertainty", "smoothing": 0.5}}, "balancing.smoothing", 0.5),
        ({"tuning": {"trials": 30}}, "tuning.trials", 30),
        ({"tuning": {"space": {"training.clip_norm": {"choice": [0.5, 1.0]}}}}, "training.clip_norm", None),
        ({"balancing": {"weights": {"digit": 3.0, "parity": 1.0}}}, "balancing.weights.digit", 1.5),
    ],
)  # fmt: skip
def test_what_was_chosen_is_there(values: dict[str, Any], key: str, value: Any) -> None:
    assert parameters(experiment(**values))[key] == value


def test_trials_have_the_keys_of_the_experiment_that_they_search() -> None:
    space = {"training.learning_rate": {"float": [0.1, 0.2]}, "balancing.weights": "simplex"}
    whole = experiment(tuning={"space": space})
    values = {"training.learning_rate": 0.15, "balancing.weights": {"digit": 0.5, "parity": 1.5}}
    assert of_network(trial_experiment(whole, values)).keys() == of_network(whole).keys()


def test_a_network_has_parameters_of_training_it_alone() -> None:
    whole = experiment(data={"test": 0.3}, tuning={"trials": 30}, model={"head": "mlp"}, seed=3)
    told = parameters(whole).keys() - of_network(whole).keys()
    assert told == {"data.test", "tuning.trials"}
    assert of_network(whole)["seed"] == 3


@pytest.mark.parametrize("name", experiment_files(REPOSITORY))
def test_a_trial_of_what_ships_has_few_columns(name: str) -> None:
    own = load(name, {}, REPOSITORY)
    metrics = 5 * len(own.tasks) + 3  # of a task two on train, two on validation and what was kept; loss, objective
    assert len(of_network(own)) + min(metrics, _MOST_METRICS) <= 40


def test_several_networks_have_a_list_where_they_differ() -> None:
    slow, fast = (experiment(training={"learning_rate": rate}) for rate in (0.01, 0.1))
    found = parameters_of([slow, fast])
    assert found["training.learning_rate"] == [0.01, 0.1]
    assert found["training.batch_size"] == 64


def test_names_of_columns_are_no_keys() -> None:
    table = {"kind": "table", "path": "rows.csv", "inputs": {f"x{it}": "numeric" for it in range(60)}}
    found = parameters(
        experiment(sources={"rows": table}, tasks={"y": {"kind": "binary", "source": "rows"}}, tuning=None)
    )
    assert found["sources.rows.inputs"].startswith("60 numeric (sha256 ")
    assert "sources.rows.clip" not in found
