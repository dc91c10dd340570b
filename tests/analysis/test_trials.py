"""A table of trials becomes a study again."""

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from pipeline.analysis.trials import settings_of, study_of, weights_as_one

SPACE = {
    "balancing.weights": {"simplex": True},
    "training.learning_rate": {"float": [1e-4, 1e-2], "log": True},
    "training.batch_size": {"int": [8, 64], "log": False},
    "training.optimizer": {"choice": ["adam", "sgd"]},
}


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number": [0, 1, 2, 3],
            "state": ["COMPLETE", "PRUNED", "FAIL", "RUNNING"],
            "reason": [None, "pruned", "ValueError", None],
            "value": [0.9, 0.4, np.nan, np.nan],
            "balancing.weights.a": [0.5, 1.0, 1.5, 1.0],
            "training.batch_size": [16.0, 32.0, np.nan, 8.0],
            "training.learning_rate": [0.001, 0.002, 0.003, 0.004],
            "training.optimizer": ["sgd", "adam", "sgd", "sgd"],
            "epoch_1": [0.5, 0.4, np.nan, np.nan],
            "epoch_2": [0.9, np.nan, np.nan, np.nan],
            "seconds": [1.0, 0.5, 0.1, np.nan],
        }
    )


def test_a_study_has_the_finished_trials_as_they_ended(table: pd.DataFrame) -> None:
    trials = study_of(table, SPACE).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    assert trials[0].value == 0.9
    assert trials[0].intermediate_values == {1: 0.5, 2: 0.9}
    assert trials[1].intermediate_values == {1: 0.4}
    assert trials[0].params == {
        "balancing.weights.a": 0.5,
        "training.batch_size": 16,
        "training.learning_rate": 0.001,
        "training.optimizer": "sgd",
    }
    assert "training.batch_size" not in trials[2].params


def test_bounds_and_logarithms_are_those_of_the_space(table: pd.DataFrame) -> None:
    assert study_of(table, SPACE).trials[0].distributions == {
        "balancing.weights.a": FloatDistribution(0.5, 1.5),
        "training.batch_size": IntDistribution(8, 64),
        "training.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "training.optimizer": CategoricalDistribution(["adam", "sgd"]),
    }


def test_a_trial_has_only_the_settings_that_it_searched(table: pd.DataFrame) -> None:
    conditional = table.assign(
        **{
            "training.batch_size": pd.array([16, None, None, 8], dtype="Int64"),
            "training.optimizer": ["sgd", None, "adam", "sgd"],
            "training.nesterov": [True, None, False, None],
        }
    )
    trials = study_of(conditional, SPACE | {"training.nesterov": {"choice": [True, False]}}).trials
    assert trials[0].params["training.batch_size"] == 16
    assert trials[1].params.keys() == {"balancing.weights.a", "training.learning_rate"}
    assert trials[2].params["training.nesterov"] is False
    plain = study_of(conditional, {}).trials[0].distributions
    assert plain["training.batch_size"] == CategoricalDistribution([16, 8])


def test_metrics_are_no_settings(table: pd.DataFrame) -> None:
    wider = table.assign(**{"validation/a/accuracy": 0.7})
    assert settings_of(wider) == settings_of(table)


def test_a_setting_that_no_trial_knows_is_left_out(table: pd.DataFrame) -> None:
    blank = table.assign(**{"balancing.weights.a": np.nan})
    assert "balancing.weights.a" not in study_of(blank, SPACE).trials[0].params


def test_nothing_is_said_of_the_study(table: pd.DataFrame, capfd: pytest.CaptureFixture[str]) -> None:
    study_of(table, SPACE)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("tasks", [2, 3, 6])
def test_coordinates_of_uniform_weights_are_uniform_and_independent(tasks: int) -> None:
    weights = tasks * np.random.default_rng(0).dirichlet(np.ones(tasks), 500)
    study = optuna.create_study(direction="maximize")
    for row in weights:
        params = {f"balancing.weights.{task}": float(it) for task, it in enumerate(row)} | {"other": 1.0}
        kinds = {name: FloatDistribution(0.0, tasks) for name in params}
        study.add_trial(create_trial(value=0.0, params=params, distributions=kinds))
    params = [trial.params for trial in weights_as_one(study).trials]
    assert set(params[0]) == {"other", *(f"balancing.weights.{place}" for place in range(1, tasks))}
    found = np.array([[it for name, it in sorted(row.items()) if name != "other"] for row in params])
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    np.testing.assert_allclose(found.mean(axis=0), 0.5, atol=0.05)
    np.testing.assert_allclose(found.var(axis=0), 1 / 12, atol=0.01)
    assert np.abs(np.corrcoef(found.T) - np.eye(tasks - 1)).max() < 0.15


def test_a_trial_without_weights_or_with_one_of_zero_is_taken_as_it_is() -> None:
    study = optuna.create_study(direction="maximize")
    for params in ({"rate": 0.1}, {"rate": 0.2, "balancing.weights.a": 0.0, "balancing.weights.b": 2.0}):
        kinds = {name: FloatDistribution(0.0, 2.0) for name in params}
        study.add_trial(create_trial(value=0.5, params=params, distributions=kinds))
    assert [it.params for it in weights_as_one(study).trials] == [
        {"rate": 0.1}, {"rate": 0.2, "balancing.weights.1": 0.0}
    ]  # fmt: skip
