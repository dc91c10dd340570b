"""Where studies are kept, and what makes a study another one."""

from pathlib import Path

import pytest

from pipeline.config import load, with_values
from pipeline.steps.tune import Tune, storage_url
from tests.conftest import REPOSITORY

DEBUG = load("debug", {}, REPOSITORY)


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
    longer = with_values(DEBUG, {"tuning.trials": 99, "tuning.timeout": 60.0, "training.seeds": 7, "processes": 2})
    one, other = Tune(DEBUG, "prepared", "cpu"), Tune(longer, "prepared", "cpu")
    assert one.identity().digest == other.identity().digest
    assert one.key().digest != other.key().digest


@pytest.mark.parametrize(
    "change",
    [
        {"tuning.batch": 4},
        {"tuning.sampler": "random"},
        {"tuning.pruner": "none"},
        {"training.epochs": 3},
        {"model.trunk.widths": [8]},
        {"seed": 1},
        {"tuning.space": {"training.learning_rate": {"float": [1e-4, 1e-2], "log": True}}},
        {"tuning.space": conditional("sgd")},
    ],
    ids=str,
)
def test_anything_else_makes_another_study(change: dict[str, object]) -> None:
    changed = Tune(with_values(DEBUG, change), "prepared", "cpu")
    assert changed.identity().digest != Tune(DEBUG, "prepared", "cpu").identity().digest


def test_a_condition_is_part_of_a_studys_identity_but_not_how_it_is_written() -> None:
    def digest(space: dict[str, object]) -> str:
        return Tune(with_values(DEBUG, {"tuning.space": space}), "prepared", "cpu").identity().digest

    assert digest(conditional("sgd")) == digest(conditional(["sgd"])) != digest(conditional("adam"))
    both = digest(conditional(["sgd", "adam"]))
    assert both == digest(dict(reversed(conditional(["adam", "sgd"]).items()))) != digest(conditional("sgd"))


def test_a_space_without_conditions_has_the_identity_that_it_had() -> None:
    space = {"training.momentum": {"float": [0.0, 0.9]}}
    searched = with_values(DEBUG, {"training.optimizer": "sgd", "tuning.space": space})
    parts = Tune(searched, "prepared", "cpu").identity().parts["values"]
    assert {key: value for key, value in parts.items() if key.startswith("tuning.space")} == {
        "tuning.space.training.momentum.float": [0.0, 0.9],
        "tuning.space.training.momentum.log": False,
    }


def test_other_prepared_data_make_another_study() -> None:
    assert Tune(DEBUG, "a", "cpu").identity().digest != Tune(DEBUG, "b", "cpu").identity().digest
