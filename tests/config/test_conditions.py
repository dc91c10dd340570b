from graphlib import CycleError

import pytest

from pipeline.config.conditions import are_met, dependency_order, effective_conditions
from pipeline.config.tuning import Choice, FloatRange

ANY = Choice(choice=("x", "y", "z"))


def on(**when: object) -> Choice:
    return Choice.model_validate({"choice": ["x", "y", "z"], "when": when})


def test_keys_come_in_alphabetical_order_whatever_that_of_the_file() -> None:
    assert dependency_order({"b": ANY, "c": FloatRange(float=(0.0, 1.0)), "a": ANY}) == ["a", "b", "c"]


def test_a_key_comes_after_those_that_its_condition_names() -> None:
    space = {"a": on(c="x"), "b": ANY, "c": on(d="x"), "d": ANY}
    assert dependency_order(space) == dependency_order(dict(reversed(space.items()))) == ["b", "d", "c", "a"]


def test_there_is_no_order_in_a_circle() -> None:
    with pytest.raises(CycleError):
        dependency_order({"a": on(b="x"), "b": on(a="x")})


def test_conditions_hold_where_every_key_has_one_of_its_values() -> None:
    conditions = {"a": ("x", "y"), "b": (None,)}
    assert are_met({}, {})
    assert are_met(conditions, {"a": "y", "b": None, "c": 1})
    assert not are_met(conditions, {"a": "z", "b": None})
    assert not are_met(conditions, {"a": "x"})


def test_conditions_are_followed_along_a_chain_and_narrow_each_other() -> None:
    space = {"a": ANY, "b": on(a=["x", "y"]), "c": on(b="x"), "d": on(a=["y", "z"], c="z")}
    assert effective_conditions(space) == {
        "a": {},
        "b": {"a": ("x", "y")},
        "c": {"b": ("x",), "a": ("x", "y")},
        "d": {"a": ("y",), "c": ("z",), "b": ("x",)},
    }
