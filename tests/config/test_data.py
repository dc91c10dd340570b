"""What an experiment may say of the test."""

from typing import Any

import pytest

from pipeline.config import Experiment, facts, flatten, public, read_stored, values_read, with_values
from pipeline.config.data import OuterFolds

FOLDS = {"folds": 4, "repeats": 3}


def experiment(**data: Any) -> Experiment:
    tasks = {"a": {"kind": "binary", "source": "x"}}
    return Experiment.model_validate({"name": "it", "tasks": tasks, "data": data})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1", "data.test: a share between 0 and 1, {folds: 5, repeats: 2} or auto; found 1"),
        ("true", "data.test: a share between 0 and 1, {folds: 5, repeats: 2} or auto; found True"),
        ("all", "data.test: a share between 0 and 1, {folds: 5, repeats: 2} or auto; found 'all'"),
        ("null", "data.test: a share between 0 and 1, {folds: 5, repeats: 2} or auto; found None"),
        ("{folds: 1}", "data.test.folds: input should be greater than or equal to 2, found 1"),
        ("{folds: 5, repeats: 0}", "data.test.repeats: input should be greater than or equal to 1, found 0"),
        ("{folds: 2.5}", "data.test.folds: input should be a valid integer, found 2.5"),
        ("{repeats: 2}", "'data.test.folds' is missing"),
        ("{fold: 5}", "unknown key 'data.test.fold' (did you mean 'folds'?)"),
        ("{folds: 600, repeats: 2}", "data.test: 600 folds x 2 are more than 1,024 networks"),
    ],
)
def test_what_is_no_test_is_one_line(problem: Any, text: str, line: str) -> None:
    assert problem(f"tasks: {{a: {{kind: binary, source: x}}}}\ndata: {{test: {text}}}") == line


def test_folds_are_cut_twice_unless_said_otherwise() -> None:
    assert experiment(test={"folds": 4}).data.test == OuterFolds(folds=4, repeats=2)


@pytest.mark.parametrize("test", ["auto", 0.25, FOLDS, {"folds": 5, "repeats": 2}])
def test_a_stored_experiment_is_read_as_it_was(test: Any) -> None:
    stored = experiment(test=test)
    assert read_stored(public(stored)) == stored
    assert public(stored)["data"]["test"] == test


def test_prepare_alone_reads_it_and_its_key_has_what_differs_from_the_default() -> None:
    assert {step for step in ("prepare", "train", "study") if step in facts("data.test.folds").read_by} == {"prepare"}
    default, share, folds = experiment(), experiment(test=0.25), experiment(test=FOLDS)
    assert not any(key.startswith("data.test") for key in values_read(default, "prepare"))
    assert values_read(share, "prepare")["data.test"] == 0.25
    assert {key: value for key, value in values_read(folds, "prepare").items() if key.startswith("data")} == {
        "data.test.folds": 4, "data.test.repeats": 3
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        (0.3, {"data.test": FOLDS}, FOLDS),
        (FOLDS, {"data.test": 0.3}, 0.3),
        (FOLDS, {"data.test.folds": 7}, {"folds": 7, "repeats": 3}),
        (0.3, {"data.test.folds": 7}, {"folds": 7, "repeats": 2}),
        (FOLDS, {"data.test": "auto"}, "auto"),
    ],
)
def test_a_value_on_the_command_line_replaces_it(before: Any, values: dict[str, Any], after: Any) -> None:
    found = with_values(experiment(test=before), values)
    assert found == experiment(test=after)
    key = "data.test" if not isinstance(after, dict) else "data.test.folds"
    assert flatten(found)[key] == (after["folds"] if isinstance(after, dict) else after)
