from typing import Any

import pytest

from pipeline.config import Experiment
from pipeline.config.space import check_space
from pipeline.config.tuning import Choice, FloatRange, IntRange, Simplex
from pipeline.errors import UserError

OPTIMIZER = "training.optimizer"
CHOICE = {"choice": ["sgd", "adam"]}
TASKS = {"a": {"kind": "multiclass", "source": "s"}, "b": {"kind": "binary", "source": "s"}}


def made(space: dict[str, Any], **settings) -> Experiment:
    return Experiment.model_validate({"name": "x", "tasks": TASKS, "tuning": {"space": space}} | settings)


def problem(space: dict[str, Any], **settings) -> str:
    with pytest.raises(UserError) as error:
        check_space(made(space, **settings))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "space",
    [
        {"balancing.weights": "simplex"},
        {"balancing.weights": {"simplex": True}},
        {"balancing.weights": {"choice": ["equal", {"a": 1.5, "b": 0.5}]}},
        {"training.epochs": {"int": [1, 20]}, "training.batch_size": {"int": [16, 256], "log": True}},
        {"training.optimizer": {"choice": ["adam", "sgd"]}, "training.momentum": {"float": [0, 0.95]}},
        {"training.learning_rate": {"int": [1, 2]}},
        {"training.clip_norm": {"choice": [None, 1.0]}},
        {"training.early_stopping.patience": {"int": [1, 5]}},
        {"model.trunk.widths": {"choice": [[64], [64, 64], []]}},
        {"model.trunk": {"choice": [{"widths": [8], "dropout": 0.1}, {"widths": [16]}]}},
        {
            "model.head": {"choice": ["linear", {"kind": "mlp", "widths": [8]}]},
            "model.trunk.dropout": {"float": [0, 0.7]},
        },
        {OPTIMIZER: CHOICE, "training.momentum": {"when": {OPTIMIZER: "sgd"}, "float": [0, 0.95]}},
        {OPTIMIZER: CHOICE, "balancing.weights": {"when": {OPTIMIZER: ["sgd", "adam"]}, "simplex": True}},
        {"training.epochs": {"int": [1, 4]}, "training.momentum": {"when": {"training.epochs": 3}, "float": [0, 0.9]}},
    ],
)
def test_what_the_settings_accept_can_be_searched(space):
    check_space(made(space))


def test_the_default_space_and_no_search_at_all_are_fine():
    check_space(Experiment.model_validate({"name": "x", "tasks": TASKS}))
    check_space(Experiment.model_validate({"name": "x", "tasks": TASKS, "tuning": None}))


def test_simplex_alone_is_short_for_its_mapping():
    assert made({"balancing.weights": "simplex"}) == made({"balancing.weights": {"simplex": True}})


def test_each_kind_of_dimension_is_read():
    space = made(
        {
            "balancing.weights": "simplex",
            "training.epochs": {"int": [1, 3]},
            "training.momentum": {"float": [0, 1]},
            "training.optimizer": {"choice": ["adam"]},
        }
    ).tuning.space
    assert [type(it) for it in space.values()] == [Simplex, IntRange, FloatRange, Choice]
    assert space["training.epochs"].int == (1, 3)
    assert space["training.momentum"].log is False


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("training.lerning_rate", "unknown key 'training.lerning_rate' (did you mean 'learning_rate'?)"),
        ("model.trnk.dropout", "unknown key 'model.trnk' (did you mean 'trunk'?)"),
        ("modl.trunk.dropout", "unknown key 'modl.trunk.dropout' (did you mean 'model.trunk.dropout'?)"),
        ("zebra", "unknown key 'zebra' (write for example training.learning_rate)"),
    ],
)
def test_a_key_that_does_not_exist_is_answered_with_the_nearest_match(key, line):
    assert problem({key: {"float": [0.1, 0.2]}}) == f"tuning.space: {line}"


@pytest.mark.parametrize(
    "key",
    [
        "training.seeds",
        "training.folds",
        "seed",
        "data.validation",
        "tuning.trials",
        "training",
        "model",
        "tasks.a.kind",
    ],
)
def test_a_key_that_is_no_matter_of_search_is_refused(key):
    assert f"tuning.space: '{key}' cannot be searched" in problem({key: {"int": [1, 2]}})


@pytest.mark.parametrize(
    ("key", "dimension", "line"),
    [
        ("model.trunk.dropout", {"float": [0, 1]}, "model.trunk.dropout: input should be less than 1, found 1.0"),
        ("training.clip_norm", {"float": [0, 1]}, "training.clip_norm: input should be greater than 0, found 0.0"),
        ("training.epochs", {"float": [1, 3]}, "training.epochs: input should be a valid integer, found 1.0"),
        ("training.epochs", {"int": [0, 3]}, "training.epochs: input should be greater than or equal to 1, found 0"),
        ("training.optimizer", {"choice": ["adam", "adma"]}, "training.optimizer: input should be 'sgd', 'adam'"),
        ("training.nesterov", {"choice": [True, False]}, "training: nesterov needs optimizer sgd and momentum above 0"),
        ("model.trunk.widths", {"choice": [[8], [0]]}, "model.trunk.widths: every width is at least 1"),
        ("model.trunk", {"choice": [{"wdths": [8]}]}, "unknown key 'model.trunk.wdths' (did you mean 'widths'?)"),
        ("balancing.weights", {"float": [0.1, 1]}, "balancing.weights: input should be 'equal' or a mapping"),
        ("balancing.weights", {"choice": [{"a": 1}]}, "balancing.weights names a; the tasks are a, b"),
    ],
)  # fmt: skip
def test_a_value_that_the_setting_does_not_accept_is_refused(key, dimension, line):
    assert problem({key: dimension}).startswith(f"tuning.space: {line}")


def test_a_simplex_is_for_the_weights_only():
    assert problem({"model.trunk.dropout": "simplex"}) == (
        "tuning.space.model.trunk.dropout: simplex is for balancing.weights only; give float, int or choice"
    )


def test_keys_that_overlap_are_refused():
    space = {"model.trunk": {"choice": [{"widths": [8]}]}, "model.trunk.dropout": {"float": [0, 0.5]}}
    assert problem(space) == "tuning.space: 'model.trunk.dropout' lies within 'model.trunk'; search one of the two"


def test_a_choice_is_left_as_it_was_written():
    space = {"model.trunk": {"choice": [{"widths": [8]}]}}
    experiment = made(space)
    check_space(experiment)
    assert experiment == made(space)


@pytest.mark.parametrize(
    ("dimension", "line"),
    [
        ({"float": [2, 1]}, "the lower bound comes first, found [2.0, 1.0]"),
        ({"int": [2, 1]}, "the lower bound comes first, found [2, 1]"),
        ({"float": [0, 1], "log": True}, "a logarithmic range lies above 0, found [0.0, 1.0]"),
        ({"int": [0, 1], "log": True}, "a logarithmic range lies above 0, found [0, 1]"),
        ({"float": [0, float("inf")]}, "should be a finite number"),
        ({"float": [0, 1], "int": [0, 1]}, "a dimension is one of float, int, choice, simplex"),
        ({"flot": [0, 1]}, "a dimension is one of float, int, choice, simplex"),
        ([0, 1], "a dimension is one of float, int, choice, simplex"),
        ({"choice": []}, "should have at least 1 item"),
        ({"float": [1]}, "Field required"),
        ({"float": [1, 2, 3]}, "should have at most 2 items"),
        ({"int": [1.5, 2]}, "should be a valid integer"),
        ({"simplex": False}, "should be True"),
    ],
)
def test_a_dimension_that_makes_no_sense_is_refused_when_it_is_read(dimension, line):
    with pytest.raises(ValueError, match=r"tuning\.space") as error:
        made({"training.learning_rate": dimension})
    assert line in str(error.value)


def conditional(when: Any, **others: Any) -> dict[str, Any]:
    return {"training.momentum": {"when": when, "float": [0, 0.9]}, OPTIMIZER: CHOICE} | others


def test_one_value_is_short_for_a_list_of_it_and_the_order_of_values_plays_no_part():
    assert made(conditional({OPTIMIZER: "sgd"})) == made(conditional({OPTIMIZER: ["sgd"]}))
    assert made(conditional({OPTIMIZER: ["adam", "sgd"]})) == made(conditional({OPTIMIZER: ["sgd", "adam"]}))


def test_only_a_dimension_with_a_condition_says_so_when_it_is_written():
    space = made(conditional({OPTIMIZER: "sgd"})).model_dump(mode="json")["tuning"]["space"]
    assert space["training.momentum"]["when"] == {OPTIMIZER: ["sgd"]}
    assert space[OPTIMIZER] == CHOICE
    assert made(space) == made(conditional({OPTIMIZER: "sgd"}))


@pytest.mark.parametrize(
    ("when", "line"),
    [
        (
            {"training.optimzer": "sgd"},
            "'training.optimzer' is not searched (did you mean 'training.optimizer'?)",
        ),
        (
            {"training.schedule": "plateau"},
            "'training.schedule' is not searched (add it to tuning.space, or leave the condition out)",
        ),
        ({OPTIMIZER: ["sgd", "sdg"]}, "'training.optimizer' is never 'sdg'; its choices are 'sgd', 'adam'"),
        ({"training.epochs": 9}, "'training.epochs' is never 9; it is a whole number in [1, 4]"),
        ({"training.epochs": 1.5}, "'training.epochs' is never 1.5; it is a whole number in [1, 4]"),
        (
            {"training.beta1": 0.5},
            "'training.beta1' is searched as a real number; a condition names a choice or an int",
        ),
        ({"model.trunk.widths": [8]}, "'model.trunk.widths' is never 8; its choices are [8], [8, 8]"),
    ],
)
def test_a_condition_that_can_never_hold_is_refused(when, line):
    others = {
        "training.epochs": {"int": [1, 4]},
        "training.beta1": {"float": [0, 0.9]},
        "model.trunk.widths": {"choice": [[8], [8, 8]]},
    }
    assert problem(conditional(when, **others)) == f"tuning.space.training.momentum.when: {line}"


def test_conditions_that_exclude_each_other_are_refused():
    schedule = {"when": {OPTIMIZER: "adam"}, "choice": ["constant", "cosine"]}
    space = conditional({"training.schedule": "cosine", OPTIMIZER: "sgd"}, **{"training.schedule": schedule})
    assert problem(space) == (
        "tuning.space.training.momentum.when never holds: its conditions leave 'training.optimizer' no value"
    )


@pytest.mark.parametrize("via", [OPTIMIZER, "training.schedule"])
def test_conditions_that_go_round_in_a_circle_are_refused(via):
    space = {
        "training.schedule": {"when": {OPTIMIZER: "sgd"}, "choice": ["constant"]},
        OPTIMIZER: {"when": {via: "constant" if via == "training.schedule" else "sgd"}, "choice": ["sgd", "adam"]},
    }
    found = problem(space)
    assert found.startswith("tuning.space: conditions go round in a circle (")
    assert f"{via} -> " in found


@pytest.mark.parametrize(
    ("when", "line"),
    [
        ("sgd", "when: Input should be a valid dictionary"),
        ({OPTIMIZER: []}, "when.training.optimizer: Value should have at least 1 item"),
        (None, "when: Input should be a valid dictionary"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused_when_it_is_read(when, line):
    with pytest.raises(ValueError, match=r"tuning\.space") as error:
        made(conditional(when))
    assert line.split(": ")[1] in str(error.value)


def test_a_dimension_is_held_against_its_setting_where_it_is_searched():
    kind, network = {"choice": ["mlp", "torchvision"]}, {"choice": ["resnet18", "resnet34"]}
    trunk = {"model.trunk.kind": kind, "model.trunk.network": {"when": {"model.trunk.kind": "torchvision"}} | network}
    check_space(made(trunk))
    assert problem({"model.trunk.kind": kind}) == (
        "tuning.space: model.trunk: trunk 'torchvision' needs network: the name of a classification network, "
        "such as resnet18"
    )
    unconditional = {"model.trunk.network": network, "model.trunk.kind": {"choice": ["mlp"]}}
    assert "does not use network" in problem(unconditional)


def test_every_condition_of_a_chain_counts_where_a_value_is_tried():
    nesterov = {"when": {"training.schedule": "cosine"}, "choice": [True, False]}
    chain = {OPTIMIZER: CHOICE, "training.nesterov": nesterov}
    schedule = {"choice": ["constant", "cosine"]}
    sgd_only = chain | {"training.schedule": {"when": {OPTIMIZER: "sgd"}} | schedule}
    check_space(made(sgd_only, training={"momentum": 0.9}))
    assert "nesterov needs optimizer sgd" in problem(
        chain | {"training.schedule": schedule}, training={"momentum": 0.9}
    )
