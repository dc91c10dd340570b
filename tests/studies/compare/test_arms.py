"""The arms of a comparison have one budget and one space, and differ in how their weights are chosen."""

from typing import Any

import pytest

from pipeline.config import Experiment, load
from pipeline.config.balancing import Balancing
from pipeline.config.tuning import FloatRange, Simplex
from pipeline.errors import UserError
from pipeline.steps.candidates import Arm, job_arms
from pipeline.studies.compare.arms import arms
from tests.conftest import REPOSITORY


def experiment(name: str = "debug", **values: Any) -> Experiment:
    return load(name, {key.replace("__", "."): value for key, value in values.items()}, REPOSITORY)


def by_title(**values: Any) -> dict[str, Arm]:
    return {arm.title: arm for arm in arms(experiment(**values))}


def test_equal_tuned_and_random_weights_and_each_task_alone_are_always_there() -> None:
    assert list(by_title(compare__methods="upgrad")) == [
        "equal", "tuned", "random", "upgrad", "single digit", "single parity",
    ]  # fmt: skip


def test_fixed_weights_are_the_two_arms_that_are_there_already() -> None:
    assert list(by_title(compare__methods="fixed"))[:3] == ["equal", "tuned", "random"]
    assert "fixed" not in by_title(compare__methods="all")


def test_all_arms_have_the_same_trials_seeds_and_space_but_for_the_weights() -> None:
    found = by_title(compare__trials=9, compare__seeds=3)
    assert len(found) == 11
    for title, arm in found.items():
        tuning = arm.experiment.tuning
        assert tuning is not None
        assert (tuning.trials, arm.experiment.training.seeds, tuning.timeout) == (9, 3, None)
        assert arm.experiment.replicates == 3
        searched = {"training.learning_rate", "model.trunk.dropout", "training.weight_decay"}
        assert set(tuning.space) == searched | ({"balancing.weights"} if title == "tuned" else set())
    assert isinstance(found["tuned"].experiment.tuning.space["balancing.weights"], Simplex)  # type: ignore[union-attr]
    assert found["upgrad"].experiment.balancing.method == "upgrad"
    assert list(found["single parity"].experiment.tasks) == ["parity"]


def test_ranges_of_the_experiment_are_used_and_a_timeout_cuts_no_arm_short() -> None:
    own = {"training.learning_rate": {"float": [0.1, 0.2]}, "training.momentum": {"float": [0.0, 0.9]}}
    tuning = by_title(tuning__space=own, tuning__timeout="10m", tuning__sampler="random")["equal"].experiment.tuning
    assert tuning is not None
    assert tuning.space["training.learning_rate"] == FloatRange(float=(0.1, 0.2))
    assert "training.momentum" not in tuning.space
    assert (tuning.timeout, tuning.sampler) == (None, "random")


def test_conditions_on_what_is_not_searched_are_left_out() -> None:
    rate = {"float": [0.1, 0.2], "when": {"training.optimizer": "sgd"}}
    space = {"training.optimizer": {"choice": ["sgd", "adam"]}, "training.learning_rate": rate}
    tuning = by_title(tuning__space=space)["equal"].experiment.tuning
    assert tuning is not None
    assert not tuning.space["training.learning_rate"].when


def test_trials_and_seeds_of_a_comparison_are_other_names_of_the_studys() -> None:
    own = by_title(tuning__trials=20, tuning__replicates=4)["equal"].experiment
    assert (own.trials, own.replicates) == (20, 4)
    with pytest.raises(UserError, match=r"compare: tuning\.trials=7 cannot be dealt out to 3 replicates evenly"):
        arms(experiment(compare__trials=7, compare__seeds=3))


def test_a_base_is_laid_over_all_tuned_arms_and_over_nothing_else() -> None:
    given = experiment(tuning__base={"training.learning_rate": 0.007})
    assert {arm.experiment.training.learning_rate for arm in job_arms(given)} == {0.007}
    assert {arm.experiment.training.learning_rate for arm in arms(given)} == {0.007}
    assert given.training.learning_rate != 0.007


def test_an_experiment_without_a_study_gets_one() -> None:
    assert by_title(tuning=None)["equal"].experiment.tuning is not None


def test_the_method_of_the_experiment_keeps_its_settings_in_its_own_arm_only() -> None:
    found = by_title(balancing={"method": "famo", "decay": 0.5}, compare__methods=["famo", "cagrad"])
    assert found["famo"].experiment.balancing.decay == 0.5
    assert found["cagrad"].experiment.balancing == Balancing.of("cagrad")
    assert found["equal"].experiment.balancing.method == "fixed"


def test_all_are_those_that_so_many_tasks_admit() -> None:
    two, three = (by_title(name=name, compare__methods="all") for name in ("debug", "digits"))
    assert set(Balancing.choices) - set(two) == {"fixed", "krum", "trimmed_mean"}
    assert set(Balancing.choices) - set(three) == {"fixed"}


def test_all_are_those_that_the_trunk_admits() -> None:
    found = by_title(model={"trunk": {"kind": "torchvision", "network": "resnet18"}}, compare__methods="all")
    assert set(Balancing.choices) - set(found) >= {"cosmos"}
    assert by_title(compare__methods=["cosmos"])["cosmos"].experiment.balancing.method == "cosmos"
    assert by_title()["single digit"].experiment.balancing.method == "fixed"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"compare__methods": "krum"}, "'krum' needs at least 3 tasks; found 2"),
        ({"model__sharing": "separate"}, "model.sharing=separate"),
        ({"tasks": {"digit": {"kind": "multiclass", "source": "digits"}}}, "one task"),
        ({"data__validation": 0.0, "tuning": None, "training__early_stopping": None}, "give data.validation a share"),
    ],
)
def test_what_cannot_be_compared_is_a_mistake(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        arms(experiment(**values))
