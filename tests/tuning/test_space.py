import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy import stats

from pipeline.config import Experiment, load
from pipeline.errors import UserError
from pipeline.tuning.space import distributions, resolve, trial_experiment
from tests.conftest import REPOSITORY

from .studies import digits


def searching(space: dict[str, object]) -> Experiment:
    return digits({"tuning.space": space})


def test_every_dimension_becomes_its_distribution() -> None:
    space = searching(
        {
            "training.learning_rate": {"float": [1e-4, 1e-2], "log": True},
            "training.epochs": {"int": [2, 5]},
            "training.optimizer": {"choice": ["sgd", "adam"]},
        }
    )
    assert distributions(space) == {
        "training.epochs": IntDistribution(2, 5),
        "training.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "training.optimizer": CategoricalDistribution(["sgd", "adam"]),
    }


def test_the_order_of_the_file_plays_no_part() -> None:
    space: dict[str, object] = {
        "training.weight_decay": {"float": [0.0, 0.1]},
        "model.trunk.dropout": {"float": [0, 0.5]},
    }
    one, other = searching(space), searching(dict(reversed(space.items())))
    assert list(distributions(one)) == list(distributions(other))


def test_choices_of_lists_mappings_and_null_come_back_as_they_were() -> None:
    choices = {"model.trunk.widths": [[8], [16, 8]], "training.early_stopping": [None, {"patience": 2}]}
    experiment = searching({key: {"choice": choice} for key, choice in choices.items()})
    params = {"model.trunk.widths": "[16, 8]", "training.early_stopping": '{"patience": 2}'}
    resolved = resolve(params, experiment)
    assert resolved == {"model.trunk.widths": [16, 8], "training.early_stopping": {"patience": 2}}
    tried = trial_experiment(experiment, resolved)
    assert tried.model.trunk.widths == (16, 8)
    assert tried.training.early_stopping is not None
    assert tried.training.early_stopping.patience == 2
    without = resolve(params | {"training.early_stopping": None}, experiment)
    assert trial_experiment(experiment, without).training.early_stopping is None


def test_a_simplex_has_a_parameter_a_task_and_weights_that_sum_to_the_number_of_tasks() -> None:
    experiment = searching({"balancing.weights": "simplex"})
    names = list(distributions(experiment))
    assert names == ["balancing.weights/at_least_five", "balancing.weights/digit", "balancing.weights/parity"]
    weights = resolve(dict.fromkeys(names, 0.3), experiment)["balancing.weights"]
    assert weights == pytest.approx({"digit": 1.0, "parity": 1.0, "at_least_five": 1.0})
    extremes = [distribution.low for distribution in distributions(experiment).values()]
    assert all(math.isfinite(it) for it in _weights(experiment, extremes))
    extremes = [distribution.high for distribution in distributions(experiment).values()]
    assert sum(_weights(experiment, extremes)) == pytest.approx(3.0)


def test_the_weight_of_a_single_task_is_no_choice() -> None:
    experiment = digits({"tasks": {"digit": {"kind": "multiclass", "source": "digits"}}})
    assert "balancing.weights/digit" not in distributions(experiment)
    params = {"model.trunk.dropout": 0.1, "training.learning_rate": 0.001}
    assert resolve(params, experiment)["balancing.weights"] == {"digit": 1.0}


def test_weights_are_uniform_on_the_simplex() -> None:
    experiment = searching({"balancing.weights": "simplex"})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    asked = [study.ask(distributions(experiment)).params for _ in range(2000)]
    shares = np.array([list(resolve(params, experiment)["balancing.weights"].values()) for params in asked]) / 3
    assert shares.sum(axis=1) == pytest.approx(1.0)
    dirichlet = stats.dirichlet([1.0, 1.0, 1.0])
    assert shares.mean(axis=0) == pytest.approx(dirichlet.mean(), abs=0.02)
    assert shares.var(axis=0) == pytest.approx(dirichlet.var(), abs=0.005)
    for share in shares.T:  # each share alone is Beta(1, T - 1)
        assert stats.kstest(share, stats.beta(1, 2).cdf).pvalue > 0.01


def test_what_is_searched_follows_from_the_values_of_other_keys() -> None:
    sgd, plateau = {"training.optimizer": "sgd"}, {"training.schedule": "plateau"}
    experiment = searching(
        {
            "training.plateau_patience": {"when": plateau, "int": [1, 4]},
            "training.momentum": {"when": sgd, "float": [0.0, 0.95]},
            "balancing.weights": {"when": {"training.plateau_patience": [1, 2]}, "simplex": True},
            "training.optimizer": {"choice": ["adam", "sgd", "rmsprop"]},
            "training.schedule": {"when": sgd, "choice": ["constant", "plateau"]},
        }
    )
    weights = [f"balancing.weights/{task}" for task in sorted(experiment.tasks)]
    params = {"training.momentum": 0.5, "training.plateau_patience": 2, **dict.fromkeys(weights, 0.3)}

    def searched(**chosen: object) -> list[str]:
        return list(resolve(params | {f"training.{key}": value for key, value in chosen.items()}, experiment))

    optimizer, momentum, schedule = "training.optimizer", "training.momentum", "training.schedule"
    patience = "training.plateau_patience"
    assert searched(optimizer="adam", schedule="plateau") == [optimizer]
    assert searched(optimizer="sgd", schedule="constant") == [momentum, optimizer, schedule]
    long = searched(optimizer="sgd", schedule="plateau", plateau_patience=3)
    assert long == [momentum, optimizer, patience, schedule]
    whole = searched(optimizer="sgd", schedule="plateau")
    assert whole == ["balancing.weights", *long]
    assert list(distributions(experiment, whole)) == [*weights, *long] == list(distributions(experiment))
    assert list(distributions(experiment, [momentum])) == [momentum]


def test_a_setting_that_is_not_searched_in_a_trial_keeps_the_experiments_value() -> None:
    space: dict[str, object] = {
        "training.optimizer": {"choice": ["adam", "sgd"]},
        "training.momentum": {"when": {"training.optimizer": "sgd"}, "float": [0.5, 0.95]},
    }
    experiment = digits({"tuning.space": space, "training.momentum": 0.2})
    params = {"training.momentum": 0.9}
    for optimizer, momentum in (("sgd", 0.9), ("adam", 0.2)):
        values = resolve(params | {"training.optimizer": optimizer}, experiment)
        assert trial_experiment(experiment, values).training.momentum == momentum


def test_a_condition_can_ask_for_null_a_list_or_a_mapping() -> None:
    stopping: dict[str, object] = {"patience": 2}
    experiment = searching(
        {
            "model.trunk.widths": {"choice": [[8], [8, 8]]},
            "training.early_stopping": {"choice": [None, stopping]},
            "training.beta1": {"when": {"model.trunk.widths": [[8]]}, "float": [0.0, 0.9]},
            "training.beta2": {"when": {"training.early_stopping": None}, "float": [0.0, 0.9]},
            "training.epsilon": {"when": {"training.early_stopping": stopping}, "float": [0.1, 0.9]},
        }
    )
    numbers = {"training.beta1": 0.1, "training.beta2": 0.2, "training.epsilon": 0.3}
    first = resolve(numbers | {"model.trunk.widths": "[8]", "training.early_stopping": None}, experiment)
    assert {key for key in numbers if key in first} == {"training.beta1", "training.beta2"}
    params = {"model.trunk.widths": "[8, 8]", "training.early_stopping": '{"patience": 2}'}
    assert {key for key in numbers if key in resolve(numbers | params, experiment)} == {"training.epsilon"}


def test_values_that_do_not_go_together_are_a_users_mistake() -> None:
    experiment = searching({"training.nesterov": {"choice": [False]}})
    with pytest.raises(UserError, match=r"do not go together.*nesterov"):
        trial_experiment(experiment, {"training.nesterov": True})


def _weights(experiment: Experiment, cube: list[float]) -> list[float]:
    params = dict(zip(distributions(experiment), cube, strict=True))
    return list(resolve(params, experiment)["balancing.weights"].values())


def test_methods_are_searched_with_the_settings_of_each() -> None:
    space = {
        "balancing.method": {"choice": ["fixed", "uncertainty", "famo", "cagrad"]},
        "balancing.c": {"when": {"balancing.method": "cagrad"}, "float": [0.1, 1.0]},
        "balancing.weights": {"when": {"balancing.method": "fixed"}, "simplex": True},
    }
    for method in ("fixed", "famo"):
        experiment = load("digits", {"tuning.space": space, "balancing.method": method}, REPOSITORY)
        assert "balancing.weights/digit" in distributions(experiment)
        params = {"balancing.c": 0.3, **{f"balancing.weights/{task}": 0.5 for task in experiment.tasks}}
        for chosen, wanted in {"cagrad": {"balancing.c"}, "fixed": {"balancing.weights"}, "famo": set()}.items():
            values = resolve(params | {"balancing.method": chosen}, experiment)
            assert values.keys() == {"balancing.method"} | wanted
            assert trial_experiment(experiment, values).balancing.method == chosen


def test_weights_are_not_searched_where_the_method_finds_its_own() -> None:
    plain = distributions(load("digits", {}, REPOSITORY))
    own = distributions(load("digits", {"balancing.method": "upgrad"}, REPOSITORY))
    assert plain.keys() - own.keys() == {f"balancing.weights/{task}" for task in ("digit", "parity", "at_least_five")}
