"""Replicates of a study: whose trial is whose, what each tries, and what it may know. No training, made-up values."""

import math
from collections.abc import Mapping
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from pipeline.config import Experiment
from pipeline.steps.candidates import Arm, job_arms
from pipeline.training.slot import replicate_of, slots_of, trial_slot
from pipeline.tuning import samplers
from pipeline.tuning.proposals import Proposals, batch_at
from pipeline.tuning.space import drawn, written
from pipeline.tuning.study import REPLICATE, VALUES
from pipeline.tuning.writer import TrialWriter
from tests.training.made import ONE_SPLIT

from .studies import digits

RATE, DROPOUT = "training.learning_rate", "model.trunk.dropout"


def searching(**settings: Any) -> Experiment:
    given = {"replicates": 3, "trials": 18} | settings
    return digits({f"tuning.{key}": value for key, value in given.items()})


def new_study() -> Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(direction="maximize")


def asked(experiment: Experiment, worth: Mapping[int, float] | None = None) -> list[FrozenTrial]:
    """All trials of a study, told what each is worth; by default nearer to a rate of .003 is better."""
    study, start = new_study(), 0
    while start < experiment.trials:
        batch = batch_at(study.get_trials(deepcopy=False), start, experiment)
        Proposals(study, TrialWriter(study), experiment).ask(batch)
        for number in batch:
            trial = study.trials[number]
            value = -abs(math.log(trial.params[RATE] / 0.003)) if worth is None else worth.get(number, 0.0)
            study.tell(Trial(study, trial._trial_id), value)
        start = batch.stop
    return study.trials


def test_trials_are_dealt_out_to_the_replicates_in_turn() -> None:
    trials = asked(searching())
    assert [trial.user_attrs[REPLICATE] for trial in trials] == [0, 1, 2] * 6
    assert [replicate_of(number, searching()) for number in range(4)] == [0, 1, 2, 0]


def test_the_first_trial_of_every_replicate_is_the_experiment_under_its_base() -> None:
    experiment = searching(base={RATE: 0.007})
    (shared, *_) = job_arms(experiment)
    first = asked(shared.experiment)[:3]
    assert all(trial.params[RATE] == 0.007 for trial in first)
    assert all(trial.params[DROPOUT] == experiment.model.trunk.dropout for trial in first)
    assert all(trial.user_attrs[VALUES]["balancing.weights"] == pytest.approx(dict.fromkeys(experiment.tasks, 1.0))
               for trial in first)  # fmt: skip


def test_a_setting_outside_of_its_range_is_tried_all_the_same() -> None:
    space = {RATE: {"float": [0.01, 0.1]}, "training.optimizer": {"choice": ["sgd", "rmsprop"]}}
    params, values = written(searching(space=space))
    assert params == {}
    assert values == {RATE: 0.003, "training.optimizer": "adam"}


def test_weights_as_written_are_a_point_of_the_simplex() -> None:
    given = digits({"balancing.weights": {"digit": 2.0, "parity": 1.0, "at_least_five": 0.0}})
    params, values = written(given)
    logs = {name: -math.log(value) for name, value in params.items() if name.startswith("balancing.weights/")}
    total = sum(logs.values())
    assert {name.split("/")[1]: 3 * it / total for name, it in logs.items()} == pytest.approx(
        {"digit": 2.0, "parity": 1.0, "at_least_five": 0.0}, abs=1e-12
    )
    assert values["balancing.weights"] == {"digit": 2.0, "parity": 1.0, "at_least_five": 0.0}


def test_a_replicates_first_trials_depend_on_its_number_their_place_and_the_seed_alone() -> None:
    few, more = asked(searching(replicates=2, trials=12)), asked(searching(replicates=4, trials=24, batch=5))
    for replicate in (0, 1):
        for place in range(6):
            one, other = few[place * 2 + replicate], more[place * 4 + replicate]
            assert one.params == other.params
    assert few[2].params != few[3].params
    assert asked(digits({"seed": 1, "tuning.replicates": 2}))[2].params != few[2].params


def test_arms_try_the_same_values_of_every_setting_that_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "STARTUP_TRIALS", 10)
    arms: dict[str, Arm] = {arm.title: arm for arm in job_arms(searching())}
    shared, alone = (asked(arms[title].experiment) for title in ("tuned", "single parity"))
    for one, other in zip(shared, alone, strict=True):
        assert set(other.params) == {RATE, DROPOUT}
        assert {name: one.params[name] for name in other.params} == other.params


def test_what_became_of_a_replicates_trials_is_nothing_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "STARTUP_TRIALS", 4)
    experiment = searching(replicates=2, trials=24)
    worth = {number: float(number % 5) for number in range(24)}
    before = asked(experiment, worth)
    after = asked(experiment, worth | {number: -it for number, it in worth.items() if number % 2})
    assert [trial.params for trial in before[::2]] == [trial.params for trial in after[::2]]
    assert [trial.params for trial in before[1::2]] != [trial.params for trial in after[1::2]]


def test_a_replicate_learns_from_its_own_trials_once_it_has_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "STARTUP_TRIALS", 8)
    trials = asked(searching(replicates=2, trials=80, batch=4))
    early, late = trials[2:16], trials[40:]
    distance = [sum(abs(math.log(it.params[RATE] / 0.003)) for it in its) / len(its) for its in (early, late)]
    assert distance[1] < 0.6 * distance[0]


def test_one_replicate_is_one_study_that_learns_from_all_of_its_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "STARTUP_TRIALS", 4)
    experiment = searching(replicates=1, trials=16)
    worth = {number: float(number % 3) for number in range(16)}
    before, after = asked(experiment, worth), asked(experiment, worth | {0: 9.0, 1: 8.0})
    assert [trial.params for trial in before[:4]] == [trial.params for trial in after[:4]]  # asked before any was told
    assert all(one.params != other.params for one, other in zip(before[4:], after[4:], strict=True))


def test_trials_of_a_replicate_share_the_order_of_the_data_and_replicates_do_not() -> None:
    experiment = searching()
    orders = [trial_slot(number, experiment).data_stream for number in range(6)]
    assert orders[:3] == orders[3:]
    assert len(set(orders)) == 3
    assert len({trial_slot(number, experiment).stream for number in range(6)}) == 6


def test_each_winner_has_the_declared_seed_of_its_replicate() -> None:
    slots = slots_of([digits({RATE: rate}) for rate in (0.01, 0.02)], ONE_SPLIT)
    assert [slot.name for slot in slots] == ["seed/0", "seed/1"]
    assert [slot.stream for slot in slots] == [slot.data_stream for slot in slots]
    assert [slot.experiment.training.learning_rate for slot in slots] == [0.01, 0.02]


@pytest.mark.parametrize(
    ("distribution", "low", "high"),
    [
        (FloatDistribution(2.0, 4.0), 2.0, 4.0),
        (FloatDistribution(1e-4, 1e-1, log=True), 1e-4, 1e-1),
        (IntDistribution(1, 3), 1, 3),
        (IntDistribution(16, 256, log=True), 16, 256),
    ],
)
def test_draws_fill_their_range_evenly(distribution: Any, low: float, high: float) -> None:
    values = [drawn(distribution, "draws", number) for number in range(2000)]
    assert low <= min(values) < max(values) <= high
    middle = math.sqrt(low * high) if distribution.log else (low + high) / 2
    below = sum(value < middle for value in values) + sum(value == middle for value in values) / 2
    assert 900 < below < 1100
    if isinstance(distribution, IntDistribution) and not distribution.log:
        assert all(600 < values.count(value) < 733 for value in (1, 2, 3))


def test_choices_are_drawn_alike_often() -> None:
    values = [drawn(CategoricalDistribution(["a", "b"]), "draws", number) for number in range(2000)]
    assert 900 < values.count("a") < 1100
