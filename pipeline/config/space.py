"""Checks a study's base and search space against the settings that they name, before any step runs."""

import difflib
import math
from collections.abc import Iterator, Mapping
from graphlib import CycleError
from itertools import product
from typing import Any

from pydantic import ValidationError

from pipeline.config.base import abbreviated
from pipeline.config.conditions import Conditions, are_met, effective_conditions
from pipeline.config.dotted import flatten, under_base, with_values
from pipeline.config.experiment import Experiment
from pipeline.config.problems import one_line
from pipeline.config.tuning import Choice, Dimension, FloatRange, IntRange, Simplex
from pipeline.errors import UserError

WEIGHTS = "balancing.weights"
"""The only key that can be searched on the simplex."""

_SEARCHABLE = ("model.", "balancing.", "training.")
_NEVER = ("training.seeds", "training.folds")
_COMBINATIONS = 1000  # each is tried
_COMPARABLE = ("constant", "plateau")
"""Schedules under which trials can be compared at the same epoch."""


def check_space(experiment: Experiment) -> None:
    """Check `tuning.base` and each dimension of `tuning.space` against the settings that they name.

    Raises:
        UserError: A key does not exist or cannot be searched, two keys overlap, a condition can never be met, a bound
            or a choice is not a valid value of the setting, or trials would be pruned under a schedule that makes
            their rungs incomparable.
    """
    space = experiment.tuning.space if experiment.tuning else {}
    experiment = _under_base(experiment)
    _check_pruner(experiment)
    for key, dimension in space.items():
        _check_key("space", key, experiment)
        if isinstance(dimension, Simplex) and key != WEIGHTS:
            raise UserError(f"tuning.space.{key}: simplex is for {WEIGHTS} only; give float, int or choice")
        for named, values in dimension.when.items():
            _check_condition(key, named, values, experiment)
    for trial in _to_try(space):
        _check_values(trial, experiment)
    for inner in space:
        if outer := next((key for key in space if inner.startswith(f"{key}.")), None):
            raise UserError(f"tuning.space: '{inner}' lies within '{outer}'; search one of the two")


def _under_base(experiment: Experiment) -> Experiment:
    """The experiment that the tuned arms start from."""
    for key in experiment.tuning.base if experiment.tuning else ():
        _check_key("base", key, experiment)
    try:
        return under_base(experiment)
    except ValidationError as error:
        raise UserError(f"tuning.base: {one_line(error)}") from None


def _check_pruner(experiment: Experiment) -> None:
    """Refuse to compare trials in the middle of a schedule, where the objective does not predict the final one."""
    tuning = experiment.tuning
    if tuning is None or tuning.pruner == "none":
        return
    searched = tuning.space.get("training.schedule")
    schedules = searched.choice if isinstance(searched, Choice) else (experiment.training.schedule,)
    if moving := [it for it in schedules if it not in _COMPARABLE]:
        raise UserError(
            f"tuning.pruner={tuning.pruner} compares trials before their end, which training.schedule={moving[0]} does "
            f"not allow: set tuning.pruner=none, or training.schedule={' or '.join(_COMPARABLE)}"
        )


def _check_key(where: str, key: str, experiment: Experiment) -> None:
    if key.startswith(_SEARCHABLE) and key not in _NEVER:
        return  # whether it exists is checked with its values
    known = list(flatten(experiment))
    if any(f"{it}.".startswith(f"{key}.") for it in known):
        never = " and ".join(_NEVER)
        verb = "searched" if where == "space" else "laid over the experiment"
        raise UserError(
            f"tuning.{where}: '{key}' cannot be {verb}; keys of {', '.join(_SEARCHABLE)} can, except {never}"
        )
    guess = difflib.get_close_matches(key, [it for it in known if it.startswith(_SEARCHABLE)], n=1)
    hint = f"did you mean '{guess[0]}'?" if guess else "write for example training.learning_rate"
    raise UserError(f"tuning.{where}: unknown key '{key}' ({hint})")


def _check_condition(key: str, named: str, values: tuple[Any, ...], experiment: Experiment) -> None:
    """Check that a condition names a searched key and values that it can take."""
    assert experiment.tuning is not None
    space = experiment.tuning.space
    where = f"tuning.space.{key}.when"
    if named not in space:
        guess = [] if named in flatten(experiment) else difflib.get_close_matches(named, space, n=1)
        hint = f"did you mean '{guess[0]}'?" if guess else "add it to tuning.space, or leave the condition out"
        raise UserError(f"{where}: '{named}' is not searched ({hint})")
    match space[named]:
        case Choice(choice=choices):
            strange = [it for it in values if it not in choices]
            known = f"its choices are {', '.join(map(abbreviated, choices))}"
        case IntRange(int=(low, high)):
            strange = [it for it in values if not (type(it) is int and low <= it <= high)]
            known = f"it is a whole number in [{low}, {high}]"
        case _:
            raise UserError(f"{where}: '{named}' is searched as a real number; a condition names a choice or an int")
    if strange:
        raise UserError(f"{where}: '{named}' is never {abbreviated(strange[0])}; {known}")


def _to_try(space: Mapping[str, Dimension]) -> Iterator[dict[str, Any]]:
    """Values that represent all trials: each dimension's extremes, with the values that its conditions require.

    Raises:
        UserError: A condition can never be met.
    """
    try:
        conditions = effective_conditions(space)
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise UserError(f"tuning.space: conditions go round in a circle ({circle}): take one of them out") from None
    for key, required in conditions.items():
        if math.prod(map(len, required.values())) > _COMBINATIONS:
            raise UserError(
                f"tuning.space.{key}.when: its conditions hold in more than {_COMBINATIONS:,} combinations of values: "
                "name fewer"
            )
        if never := next((named for named, values in required.items() if not values), None):
            raise UserError(f"tuning.space.{key}.when never holds: its conditions leave '{never}' no value")
        for values in product(*required.values(), _extremes(space[key])):
            yield _with_dependants(dict(zip((*required, key), values, strict=True)), space, conditions)


def _with_dependants(
    values: dict[str, Any], space: Mapping[str, Dimension], conditions: Mapping[str, Conditions]
) -> dict[str, Any]:
    """Values, and the first value of each dimension that is searched because of them: they may require it."""
    complete = dict(values)
    for key, required in conditions.items():
        extremes = _extremes(space[key])
        if required and extremes and key not in values and are_met(required, complete):
            complete[key] = extremes[0]
    return complete


def _check_values(values: Mapping[str, Any], experiment: Experiment) -> None:
    try:
        with_values(experiment, values)
    except ValidationError as error:
        raise UserError(f"tuning.space: {one_line(error)}") from None


def _extremes(dimension: Dimension) -> tuple[Any, ...]:
    """The values that represent all: a range's bounds, or every choice; none for a simplex, which is always valid."""
    match dimension:
        case FloatRange():
            return dimension.float
        case IntRange():
            return dimension.int
        case Choice():
            return dimension.choice
    return ()
