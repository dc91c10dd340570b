"""Between the values that a trial tries, by dotted key, and the parameters that Optuna samples."""

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

# The open interval (0, 1) as far as floats reach: the logarithm of 0 is infinite, and if all were 1 no weight was left.
_UNIT = (2.0**-53, 1.0 - 2.0**-53)


def conditional(experiment: Experiment) -> bool:
    """Whether trials differ in what is searched."""
    return any(dimension.when for dimension in _space(experiment).values())


def distributions(experiment: Experiment, keys: Collection[str] | None = None) -> dict[str, BaseDistribution]:
    """Optuna's parameters by name, sorted: the order of the experiment's file plays no part.

    A name is the dotted key; a simplex has one parameter a task, such as `balancing.weights/mnist`.

    Args:
        experiment: With its space.
        keys: That a trial searches; None for all, whatever their conditions.
    """
    found: dict[str, BaseDistribution] = {}
    for key, dimension in sorted(_space(experiment).items()):
        if keys is not None and key not in keys:
            continue
        match dimension:
            case FloatRange():
                found[key] = FloatDistribution(*dimension.float, log=dimension.log)
            case IntRange():
                found[key] = IntDistribution(*dimension.int, log=dimension.log)
            case Choice():
                found[key] = CategoricalDistribution(_labels(dimension))
            case Simplex():
                found |= {name: FloatDistribution(*_UNIT) for name in _simplex_names(key, experiment).values()}
    return found


def resolve(params: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
    """The experiment's values, by dotted key, that a trial's parameters stand for.

    What is not searched under the values of other keys has no value here, be there parameters for it or not.

    A point u of the unit cube becomes x_i = -log(u_i), which is exponential, and x divided by its sum is uniform on
    the simplex (Dirichlet with all parameters 1; the recipe of Optuna's FAQ). Weights sum to the number of tasks.
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
    """Parameters and values of the experiment itself, as far as its settings are searched.

    A setting that lies outside of its range, or is none of its choices, has no parameter; the trial has its value all
    the same.
    """
    space, tree = _space(experiment), experiment.model_dump(mode="json")
    params: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for key in dependency_order(space):
        dimension = space[key]
        if not are_met(dimension.when, values):
            continue
        if isinstance(dimension, Simplex):
            names, own = _simplex_names(key, experiment), experiment.balancing.normalised(list(experiment.tasks))
            params |= {name: min(max(math.exp(-own[task]), _UNIT[0]), _UNIT[1]) for task, name in names.items()}
            values[key] = own
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
    """A random value of a parameter, which depends on where it is drawn for alone."""
    share = np.random.default_rng(seed_of(*where)).random()
    match distribution:
        case CategoricalDistribution():
            return distribution.choices[int(share * len(distribution.choices))]
        case IntDistribution():
            # The ends are as likely as the others: a whole number stands for half a step to either side.
            low, high = distribution.low - 0.5, distribution.high + 0.5
            return min(max(round(_between(low, high, share, distribution.log)), distribution.low), distribution.high)
        case FloatDistribution():
            value = _between(distribution.low, distribution.high, share, distribution.log)
            return min(max(value, distribution.low), distribution.high)
    raise TypeError(f"no parameter is a {type(distribution).__name__}")


def trial_experiment(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment as a trial trains it.

    Raises:
        UserError: The values do not go together, though each alone is possible.
    """
    try:
        return with_values(experiment, values)
    except ValidationError as error:
        problem = one_line(error)
        raise UserError(
            f"tuning.space allows values that do not go together (`when` tells them apart): {problem}"
        ) from None


def _space(experiment: Experiment) -> dict[str, Dimension]:
    """The dimensions that the experiment's method reads: there are no weights to search where it finds its own."""
    space = experiment.tuning.space if experiment.tuning else {}
    weighted = experiment.balancing.weighted or "balancing.method" in space
    return {key: it for key, it in space.items() if weighted or not isinstance(it, Simplex)}


def _between(low: float, high: float, share: float, log: bool) -> float:
    """The value at a share of the way, or of its logarithm's way."""
    return low * (high / low) ** share if log else low + (high - low) * share


def _at(tree: Any, key: str) -> Any:
    """What stands at a dotted key of an experiment; None where nothing does."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _labels(choice: Choice) -> list[Any]:
    """The choices as Optuna takes them."""
    return [_label(it) for it in choice.choice]


def _label(value: Any) -> Any:
    """A choice as Optuna takes it: lists and mappings as JSON."""
    return json.dumps(value, sort_keys=True) if isinstance(value, list | tuple | dict) else value


def _simplex_names(key: str, experiment: Experiment) -> dict[str, str]:
    """A simplex's parameters by task; the weight of a single task is no choice."""
    tasks = sorted(experiment.tasks)
    return {task: f"{key}/{task}" for task in tasks} if len(tasks) > 1 else {}


def _weights(params: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    exponential = {task: -math.log(params[name]) for task, name in names.items()}
    total = sum(exponential.values())
    return {task: len(names) * x / total for task, x in exponential.items()}
