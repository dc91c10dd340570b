"""Where studies are kept, and what makes a study another one."""

import math
from pathlib import Path

import pytest

from pipeline.config import Experiment, load, with_values
from pipeline.steps.candidates import Arm, job_arms, study_of
from pipeline.steps.tune import WINNERS, Tune, mean_objective, storage_url, winners_in
from tests.conftest import REPOSITORY
from tests.steps.made import Made

DEBUG = load("debug", {}, REPOSITORY)


def study(experiment: Experiment, prepared: str = "prepared") -> Tune:
    """That of the shared network."""
    return study_of(job_arms(experiment)[0], Made(prepared), "cpu")


def conditional(optimizer: object) -> dict[str, object]:
    return {
        "training.optimizer": {"choice": ["sgd", "adam"]},
        "training.momentum": {"when": {"training.optimizer": optimizer}, "float": [0.0, 0.9]},
    }


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        (None, "sqlite:////project/optuna.db"),
        ("sqlite:///studies.db", "sqlite:////project/studies.db"),
        ("sqlite:////elsewhere/studies.db", "sqlite:////elsewhere/studies.db"),
        ("postgresql+psycopg://host/name", "postgresql+psycopg://host/name"),
    ],
)
def test_files_of_studies_hang_from_the_project_folder(storage: str | None, expected: str) -> None:
    assert storage_url(with_values(DEBUG, {"tuning.storage": storage}), Path("/project")) == expected


def test_the_number_of_trials_and_the_time_are_no_part_of_a_studys_identity() -> None:
    longer = with_values(DEBUG, {"tuning.trials": 98, "tuning.timeout": 60.0, "processes": 2})
    one, other = study(DEBUG), study(longer)
    assert one.identity().digest == other.identity().digest
    assert one.key().digest != other.key().digest


@pytest.mark.parametrize(
    "change",
    [
        {"tuning.batch": 4},
        {"tuning.sampler": "random"},
        {"tuning.pruner": "median", "training.schedule": "constant"},
        {"tuning.replicates": 4},
        {"tuning.replicates": 1},
        {"training.seeds": 4},  # as many replicates
        {"tuning.base": {"training.epochs": 3}},
        {"training.epochs": 3},
        {"model.trunk.widths": [8]},
        {"seed": 1},
        {"tuning.space": {"training.learning_rate": {"float": [1e-4, 1e-2], "log": True}}},
        {"tuning.space": conditional("sgd")},
    ],
    ids=str,
)
def test_anything_else_makes_another_study(change: dict[str, object]) -> None:
    assert study(with_values(DEBUG, change)).identity().digest != study(DEBUG).identity().digest


def test_seeds_of_the_experiment_are_nothing_to_a_study_with_replicates_of_its_own() -> None:
    one, other = (with_values(DEBUG, {"tuning.replicates": 2, "training.seeds": seeds}) for seeds in (2, 7))
    assert study(one).key().digest == study(other).key().digest


def test_a_base_makes_the_study_that_the_same_settings_make_as_written() -> None:
    base = {"training.epochs": 3, "model.trunk.dropout": 0.3}
    assert study(with_values(DEBUG, {"tuning.base": base})).key().digest == study(with_values(DEBUG, base)).key().digest


def test_every_arm_has_a_study_of_its_own() -> None:
    studies = [study_of(arm, Made(), "cpu") for arm in job_arms(DEBUG)]
    assert [it.title for it in studies] == ["tune", "tune single digit", "tune single parity"]
    assert len({it.identity().digest for it in studies}) == 3
    compared = study_of(Arm("tuned", DEBUG, compared=True), Made(), "cpu")
    assert compared.title == "tune arm tuned"


def test_a_condition_is_part_of_a_studys_identity_but_not_how_it_is_written() -> None:
    def digest(space: dict[str, object]) -> str:
        return study(with_values(DEBUG, {"tuning.space": space})).identity().digest

    assert digest(conditional("sgd")) == digest(conditional(["sgd"])) != digest(conditional("adam"))
    both = digest(conditional(["sgd", "adam"]))
    assert both == digest(dict(reversed(conditional(["adam", "sgd"]).items()))) != digest(conditional("sgd"))


def test_a_space_without_conditions_has_the_identity_that_it_had() -> None:
    space = {"training.momentum": {"float": [0.0, 0.9]}}
    searched = with_values(DEBUG, {"training.optimizer": "sgd", "tuning.space": space})
    parts = study(searched).identity().parts["values"]
    assert {key: value for key, value in parts.items() if key.startswith("tuning.space")} == {
        "tuning.space.training.momentum.float": [0.0, 0.9],
    }


def test_other_prepared_data_make_another_study() -> None:
    assert study(DEBUG, "a").identity().digest != study(DEBUG, "b").identity().digest


def test_an_objective_that_is_no_number_is_null_in_json(tmp_path: Path) -> None:
    (tmp_path / WINNERS).write_text('{"winners": [{"objective": null}, {"objective": 0.5}]}')
    assert math.isnan(mean_objective(winners_in(tmp_path)))
    assert mean_objective([{"objective": 0.25}, {"objective": 0.75}]) == 0.5
