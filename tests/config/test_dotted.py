import json
from typing import get_args

import pytest
from pydantic import ValidationError

from pipeline.config import Experiment, flatten, public, values_read, with_values
from pipeline.config.dotted import merged, nested
from pipeline.config.facts import Step

from .files import read

TASKS = {"a": {"kind": "multiclass", "source": "s"}, "b": {"kind": "binary", "source": "s"}}


def made(**settings) -> Experiment:
    return Experiment.model_validate({"name": "x", "tasks": TASKS} | settings)


def test_mappings_merge_with_what_they_are_laid_on():
    base = {"training": {"epochs": 1, "seeds": 2}, "name": "x"}
    assert merged(base, {"training": {"epochs": 3}}) == {"training": {"epochs": 3, "seeds": 2}, "name": "x"}


@pytest.mark.parametrize("key", ["tasks", "balancing.weights", "tuning.space"])
def test_tasks_weights_and_space_replace(key):
    base, over = nested({key: {"old": {"kind": 1}}}), nested({key: {"new": {"kind": 2}}})
    assert merged(base, over) == over


def test_a_dotted_key_changes_one_setting_of_a_task():
    changed_one = with_values(made(), {"tasks.a.class_weights": "balanced"})
    assert changed_one.tasks["a"].class_weights == "balanced"
    assert (changed_one.tasks["b"], changed_one.tasks["a"].kind) == (made().tasks["b"], made().tasks["a"].kind)
    assert list(with_values(made(), {"tasks": {"c": TASKS["a"]}}).tasks) == ["c"]


def test_what_was_merged_is_left_as_it_was():
    base = {"training": {"epochs": 1}}
    merged(base, {"training": {"epochs": 3}})
    assert base == {"training": {"epochs": 1}}


def test_dotted_keys_nest_and_a_dimension_keeps_its_dots():
    values = {"training.epochs": 3, "tuning.space.model.trunk.dropout": {"float": [0, 1]}, "seed": 1}
    assert nested(values) == {
        "training": {"epochs": 3}, "tuning": {"space": {"model.trunk.dropout": {"float": [0, 1]}}}, "seed": 1
    }  # fmt: skip


def test_leaves_are_keyed_by_their_path():
    leaves = flatten(made(balancing={"weights": {"a": 1.5, "b": 0.5}}, training={"early_stopping": {"min_delta": 0.1}}))
    assert leaves["training.early_stopping.patience"] == 3
    assert leaves["model.trunk.widths"] == [128]
    assert leaves["balancing.weights.a"] == 1.5
    assert leaves["tuning.space.training.learning_rate.float"] == [1e-3, 2e-2]
    assert leaves["tasks.a.kind"] == "multiclass"
    assert leaves["data.root"] is None


def test_flattened_and_nested_again_is_the_same_experiment():
    leaves = {key: value for key, value in flatten(made(seed=3)).items() if not key.startswith("tuning.space")}
    assert Experiment.model_validate(nested(leaves)) == made(seed=3)


def test_values_replace_and_are_validated():
    experiment = with_values(made(), {"training.learning_rate": 0.5, "model.trunk.widths": [8, 4]})
    assert experiment.training.learning_rate == 0.5
    assert experiment.model.trunk.widths == (8, 4)
    assert experiment.tasks == made().tasks
    with pytest.raises(ValidationError):
        with_values(made(), {"training.learning_rate": -1.0})
    with pytest.raises(ValidationError):
        with_values(made(), {"training.lerning_rate": 1.0})


def test_weights_given_one_by_one_replace_the_old_ones():
    weights = {"balancing.weights.a": 1.5, "balancing.weights.b": 0.5}
    assert with_values(made(), weights).balancing.weights == {"a": 1.5, "b": 0.5}


def test_a_part_that_was_off_is_switched_on_by_one_of_its_values():
    assert made().training.early_stopping is None
    assert with_values(made(), {"training.early_stopping.patience": 7}).training.early_stopping.patience == 7


def test_defaults_are_no_change_however_they_are_written():
    written_out = made(
        training={"updates": "auto", "epochs": None}, balancing={"weights": "equal"}, tuning={"trials": "auto"}
    )
    for step in get_args(Step):
        assert values_read(written_out, step) == values_read(made(), step)
    assert set(values_read(made(), "train")) == {"tasks.a.kind", "tasks.a.source", "tasks.b.kind", "tasks.b.source"}


def test_changes_are_those_that_the_step_reads_sorted():
    experiment = made(training={"seeds": 2, "epochs": 3}, seed=1, data={"mix": "shortest"})
    found = [it for it in values_read(experiment, "train").items() if not it[0].startswith("tasks.")]
    assert found == [("data.mix", "shortest"), ("seed", 1), ("training.epochs", 3), ("training.seeds", 2)]
    assert "training.seeds" not in values_read(experiment, "study")


def test_a_space_with_fewer_dimensions_than_the_default_one_is_a_change():
    rate = {"training.learning_rate": {"float": [1e-3, 2e-2], "log": True}}
    assert read(made(tuning={"space": rate}), "study", "tuning") == {
        "tuning.space.training.learning_rate.float": [1e-3, 2e-2],
        "tuning.space.training.learning_rate.log": True,
    }
    assert read(made(), "study", "tuning") == {}


def test_given_weights_are_a_change():
    assert read(made(balancing={"weights": {"a": 1.0, "b": 1.0}}), "train", "balancing") == {
        "balancing.method": "fixed", "balancing.weights.a": 1.0, "balancing.weights.b": 1.0
    }  # fmt: skip


def test_equal_and_given_weights_are_normalised_to_the_number_of_tasks():
    assert made().balancing.normalised(["a", "b"]) == {"a": 1.0, "b": 1.0}
    given = made(balancing={"weights": {"a": 3, "b": 1}}).balancing
    assert given.normalised(["a", "b"]) == {"a": 1.5, "b": 0.5}
    assert given.normalised(["b"]) == {"b": 1.0}


def test_what_is_shown_and_stored_has_no_password():
    storage = "postgresql+psycopg://me:hidden@host:5432/studies?sslkey=hidden"
    shown = public(made(tuning={"storage": storage, "batch": 4}))
    assert "hidden" not in json.dumps(shown)
    assert shown["tuning"]["storage"] == "postgresql+psycopg://host:5432/studies"
    assert Experiment.model_validate(shown).tuning.batch == 4
    assert public(made()) == made().model_dump(mode="json")
