"""Whether a search space names settings that can be searched, within what they accept: known before any step starts."""

import difflib
from typing import Any

from pydantic import ValidationError

from pipeline.config.dotted import flatten, with_values
from pipeline.config.experiment import Experiment
from pipeline.config.problems import one_line
from pipeline.config.tuning import Choice, Dimension, FloatRange, IntRange, Simplex
from pipeline.errors import UserError

WEIGHTS = "balancing.weights"
"""The one key that a simplex can be searched for."""

_SEARCHABLE = ("model.", "balancing.", "training.")
_NEVER = ("training.seeds", "training.folds")


def check_space(experiment: Experiment) -> None:
    """Hold each dimension of `tuning.space` against the setting that it searches.

    Raises:
        UserError: A key does not exist or cannot be searched, two keys overlap, or a bound or a choice is no value
            that the setting accepts.
    """
    space = experiment.tuning.space if experiment.tuning else {}
    for key, dimension in space.items():
        _check_key(key, experiment)
        if isinstance(dimension, Simplex) and key != WEIGHTS:
            raise UserError(f"tuning.space.{key}: simplex is for {WEIGHTS} only; give float, int or choice")
        for value in _extremes(dimension):
            _check_value(key, value, experiment)
    for inner in space:
        if outer := next((key for key in space if inner.startswith(f"{key}.")), None):
            raise UserError(f"tuning.space: '{inner}' lies within '{outer}'; search one of the two")


def _check_key(key: str, experiment: Experiment) -> None:
    if key.startswith(_SEARCHABLE) and key not in _NEVER:
        return  # whether it exists shows when a value is tried
    known = list(flatten(experiment))
    if any(f"{it}.".startswith(f"{key}.") for it in known):
        never = " and ".join(_NEVER)
        raise UserError(
            f"tuning.space: '{key}' cannot be searched; keys of {', '.join(_SEARCHABLE)} can, except {never}"
        )
    guess = difflib.get_close_matches(key, [it for it in known if it.startswith(_SEARCHABLE)], n=1)
    hint = f"did you mean '{guess[0]}'?" if guess else "write for example training.learning_rate"
    raise UserError(f"tuning.space: unknown key '{key}' ({hint})")


def _check_value(key: str, value: Any, experiment: Experiment) -> None:
    try:
        with_values(experiment, {key: value})
    except ValidationError as error:
        raise UserError(f"tuning.space: {one_line(error)}") from None


def _extremes(dimension: Dimension) -> tuple[Any, ...]:
    """The values that stand for all: a range's bounds, every choice; none of a simplex, which always fits."""
    match dimension:
        case FloatRange():
            return dimension.float
        case IntRange():
            return dimension.int
        case Choice():
            return dimension.choice
    return ()
