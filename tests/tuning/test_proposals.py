"""What trials are asked for: no training, made-up values."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import optuna
import pytest
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline.config import Experiment
from pipeline.tuning.proposals import Proposals, batch_at
from pipeline.tuning.study import VALUES
from pipeline.tuning.writer import TrialWriter

from .studies import digits

SAMPLERS = ["tpe", "gp", "random", "qmc"]
OPTIMIZER, MOMENTUM, RATE = "training.optimizer", "training.momentum", "training.learning_rate"
CONDITIONAL = {
    OPTIMIZER: {"choice": ["sgd", "adam"]},
    MOMENTUM: {"when": {OPTIMIZER: "sgd"}, "float": [0.0, 0.95]},
    "training.nesterov": {"when": {OPTIMIZER: "sgd"}, "choice": [False]},
    RATE: {"float": [1e-4, 1e-2], "log": True},
    "training.schedule": {"when": {OPTIMIZER: "adam"}, "choice": ["plateau", "constant"]},
    "training.plateau_patience": {"when": {"training.schedule": "plateau"}, "int": [1, 3]},
    "balancing.weights": {"when": {OPTIMIZER: "adam"}, "simplex": True},
}


def searching(sampler: str, space: Mapping[str, Any] | None = None, **settings: int) -> Experiment:
    values: dict[str, Any] = {"tuning.sampler": sampler, "tuning.trials": 12}
    values |= {f"tuning.{key}": value for key, value in settings.items()}
    return digits(values | ({"tuning.space": space} if space else {}))


def worth(trial: FrozenTrial) -> float:
    """Highest at a rate of 0.001, and with SGD at a momentum of 0.8."""
    return -50 * abs(trial.params[RATE] - 0.001) - abs(trial.params.get(MOMENTUM, 0.3) - 0.8)


def ask(study: Study, experiment: Experiment, batch: range) -> None:
    Proposals(study, TrialWriter(study), experiment).ask(batch)


def new_study() -> Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(direction="maximize")


def tell(study: Study, batch: range) -> None:
    """Finish a batch, every fifth trial pruned."""
    for number in batch:
        trial = Trial(study, study.trials[number]._trial_id)
        trial.report(worth(study.trials[number]), 1)
        pruned = number % 5 == 3
        study.tell(trial, None if pruned else worth(study.trials[number]), state=TrialState.PRUNED if pruned else None)


def asked(experiment: Experiment) -> list[FrozenTrial]:
    study, start = new_study(), 0
    assert experiment.tuning is not None
    while start < experiment.tuning.trials:
        batch = batch_at(study.get_trials(deepcopy=False), start, experiment)
        ask(study, experiment, batch)
        tell(study, batch)
        start = batch.stop
    return study.trials


@cache
def asked_conditionally(sampler: str) -> list[FrozenTrial]:
    return asked(searching(sampler, CONDITIONAL))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_trial_has_the_parameters_whose_conditions_hold_and_no_others(sampler: str) -> None:
    always = {OPTIMIZER, RATE}
    own = {"sgd": {MOMENTUM, "training.nesterov"}, "adam": {"training.schedule", "balancing.weights"}}
    trials = asked_conditionally(sampler)
    assert {trial.params[OPTIMIZER] for trial in trials} == {"sgd", "adam"}
    assert {trial.params.get("training.schedule") for trial in trials} == {"plateau", "constant", None}
    for trial in trials:
        expected = always | own[trial.params[OPTIMIZER]]
        if trial.params.get("training.schedule") == "plateau":
            expected.add("training.plateau_patience")
        assert set(trial.user_attrs[VALUES]) == expected
        assert {name.split("/")[0] for name in trial.params} == expected
        assert trial.params.keys() == trial.distributions.keys()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_asking_that_was_broken_off_goes_on_as_if_it_had_not_been(sampler: str) -> None:
    experiment, batch = searching(sampler, CONDITIONAL), range(8, 12)
    whole, broken = new_study(), new_study()
    for study in (whole, broken):
        study.add_trials(asked_conditionally(sampler)[:8])
    ask(whole, experiment, batch)
    broken.add_trials(whole.trials[8:10])
    ask(broken, experiment, batch)
    assert [trial.params for trial in broken.trials] == [trial.params for trial in whole.trials]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_order_of_the_file_plays_no_part(sampler: str) -> None:
    other = asked(searching(sampler, dict(reversed(CONDITIONAL.items()))))
    assert [trial.params for trial in other] == [trial.params for trial in asked_conditionally(sampler)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_conditional_parameters_are_drawn_anew_in_every_trial(sampler: str) -> None:
    drawn = [trial.params[MOMENTUM] for trial in asked_conditionally(sampler) if MOMENTUM in trial.params]
    assert len(set(drawn)) == len(drawn) > 1


def test_a_sequence_spreads_conditional_parameters_evenly() -> None:
    space = {OPTIMIZER: CONDITIONAL[OPTIMIZER], MOMENTUM: CONDITIONAL[MOMENTUM], RATE: CONDITIONAL[RATE]}
    drawn = [trial.params.get(MOMENTUM) for trial in asked(searching("qmc", space, trials=32))]
    with_it = [it for it in drawn if it is not None]
    assert len(with_it) in (15, 16)  # the first trial is the experiment itself
    assert all(3 <= sum(low <= it / 0.95 < low + 0.25 for it in with_it) <= 4 for low in (0.0, 0.25, 0.5, 0.75))


def test_tpe_learns_a_conditional_parameter() -> None:
    trials = asked(searching("tpe", CONDITIONAL, trials=64))
    late = [trial.params[MOMENTUM] for trial in trials[32:] if MOMENTUM in trial.params]
    assert len(late) > 8
    assert sum(abs(it - 0.8) < 0.2 for it in late) > 0.7 * len(late)
