"""Converts between the values of a trial, by dotted key, and the parameters that Optuna samples."""

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError

from pipeline.config import Experiment, with_values
from pipeline.config.conditions import are_met, dependency_order
from pipeline.config.problems import one_line
from pipeline.config.tuning import Choice, Dimension, FloatRange, IntRange, Simplex
from pipeline.draws import seed_of
from pipeline.errors import UserError

# The open interval (0, 1) in floats: the logarithm of 0 is infinite, and if all values were 1 all weights would be 0.
_UNIT = (2.0**-53, 1.0 - 2.0**-53)


def conditional(experiment: Experiment) -> bool:
    """Whether trials differ in the parameters that they search."""
    return any(dimension.when for dimension in _space(experiment).values())


def distributions(experiment: Experiment, keys: Collection[str] | None = None) -> dict[str, BaseDistribution]:
    """Optuna's distributions by parameter name, sorted, so that the order in the experiment's file is irrelevant.

    A name is the dotted key; a simplex has one parameter per task, such as `balancing.weights/mnist`.

    Args:
        experiment: The experiment with the search space.
        keys: Keys that a trial searches; None for all, whatever their conditions.
    """
    by_name: dict[str, BaseDistribution] = {}
    for key, dimension in sorted(_space(experiment).items()):
        if keys is not None and key not in keys:
            continue
        match dimension:
            case FloatRange():
                by_name[key] = FloatDistribution(*dimension.float, log=dimension.log)
            case IntRange():
                by_name[key] = IntDistribution(*dimension.int, log=dimension.log)
            case Choice():
                by_name[key] = CategoricalDistribution(_labels(dimension))
            case Simplex():
                by_name |= {name: FloatDistribution(*_UNIT) for name in _simplex_names(key, experiment).values()}
    return by_name


def resolve(params: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
    """The values, by dotted key, of a trial's parameters.

    Keys whose conditions are not met have no value, even if there are parameters for them.

    A point u of the unit cube is mapped to x_i = -log(u_i), which is exponential; x divided by its sum is uniform on
    the simplex (a Dirichlet distribution with parameters 1, as in Optuna's FAQ). Weights sum to the number of tasks.
    """
    space = _space(experiment)
    values: dict[str, Any] = {}
    for key in dependency_order(space):
        dimension = space[key]
        if not are_met(dimension.when, values):
            continue
        match dimension:
            case Simplex():
                values[key] = _weights(params, _simplex_names(key, experiment)) or dict.fromkeys(experiment.tasks, 1.0)
            case Choice():
                values[key] = dimension.choice[_labels(dimension).index(params[key])]
            case _:
                values[key] = params[key]
    return dict(sorted(values.items()))


def written(experiment: Experiment) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and values of the experiment as written, for the settings that are searched.

    A setting that is outside of its range, or not among its choices, has no parameter, but its value is kept.
    """
    space, tree = _space(experiment), experiment.model_dump(mode="json")
    params: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for key in dependency_order(space):
        dimension = space[key]
        if not are_met(dimension.when, values):
            continue
        if isinstance(dimension, Simplex):
            names, weights = _simplex_names(key, experiment), experiment.balancing.normalised(list(experiment.tasks))
            params |= {name: min(max(math.exp(-weights[task]), _UNIT[0]), _UNIT[1]) for task, name in names.items()}
            values[key] = weights
            continue
        values[key] = value = _at(tree, key)
        match dimension:
            case Choice():
                same = [it for it in _labels(dimension) if it == _label(value)]
                params |= {key: same[0]} if same else {}
            case FloatRange(float=(low, high)) | IntRange(int=(low, high)):
                params |= {key: value} if value is not None and low <= value <= high else {}
    return params, dict(sorted(values.items()))


def drawn(distribution: BaseDistribution, *where: int | str) -> Any:
    """A random value of a parameter, which depends only on the parts of the seed."""
    share = np.random.default_rng(seed_of(*where)).random()
    match distribution:
        case CategoricalDistribution():
            return distribution.choices[int(share * len(distribution.choices))]
        case IntDistribution():
            # The bounds are as likely as other integers: each stands for half a step to either side.
            low, high = distribution.low - 0.5, distribution.high + 0.5
            return min(max(round(_between(low, high, share, distribution.log)), distribution.low), distribution.high)
        case FloatDistribution():
            value = _between(distribution.low, distribution.high, share, distribution.log)
            return min(max(value, distribution.low), distribution.high)
    raise TypeError(f"no parameter is a {type(distribution).__name__}")


def trial_experiment(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment with the values of a trial.

    Raises:
        UserError: The values are invalid together, though each is valid by itself.
    """
    try:
        return with_values(experiment, values)
    except ValidationError as error:
        problem = one_line(error)
        raise UserError(
            f"tuning.space allows values that do not go together (`when` tells them apart): {problem}"
        ) from None


def _space(experiment: Experiment) -> dict[str, Dimension]:
    """The dimensions, without the weights of methods that choose their own."""
    space = experiment.tuning.space if experiment.tuning else {}
    weighted = experiment.balancing.weighted or "balancing.method" in space
    return {key: it for key, it in space.items() if weighted or not isinstance(it, Simplex)}


def _between(low: float, high: float, share: float, log: bool) -> float:
    """Linear interpolation between two bounds, or between their logarithms."""
    return low * (high / low) ** share if log else low + (high - low) * share


def _at(tree: Any, key: str) -> Any:
    """The value at a dotted key of an experiment; None if there is none."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _labels(choice: Choice) -> list[Any]:
    """The choices as Optuna's categories."""
    return [_label(it) for it in choice.choice]


def _label(value: Any) -> Any:
    """A choice as one of Optuna's categories: lists and mappings as JSON."""
    return json.dumps(value, sort_keys=True) if isinstance(value, list | tuple | dict) else value


def _simplex_names(key: str, experiment: Experiment) -> dict[str, str]:
    """Names of a simplex's parameters by task; none for a single task, whose weight is fixed."""
    tasks = sorted(experiment.tasks)
    return {task: f"{key}/{task}" for task in tasks} if len(tasks) > 1 else {}


def _weights(params: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    exponential = {task: -math.log(params[name]) for task, name in names.items()}
    total = sum(exponential.values())
    return {task: len(names) * x / total for task, x in exponential.items()}
