"""Conditional dimensions of a search space, which are searched only with certain values of others."""

from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

from pipeline.config.tuning import Dimension

Conditions = Mapping[str, tuple[Any, ...]]
"""The allowed values of each key that a dimension depends on."""


def dependency_order(space: Mapping[str, Dimension]) -> list[str]:
    """The keys, each after those that it depends on, else in alphabetical order.

    Raises:
        graphlib.CycleError: The conditions form a cycle.
    """
    sorter = TopologicalSorter({key: dimension.when for key, dimension in space.items()})
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order


def are_met(conditions: Conditions, values: Mapping[str, Any]) -> bool:
    """Whether the conditions of a dimension are met in a trial.

    Args:
        conditions: The conditions.
        values: The searched values of the trial by key; a key that is not searched in it meets no condition.
    """
    return all(key in values and values[key] in allowed for key, allowed in conditions.items())


def effective_conditions(space: Mapping[str, Dimension]) -> dict[str, Conditions]:
    """The conditions of each dimension including those of the dimensions that it depends on, in dependency order.

    Raises:
        graphlib.CycleError: The conditions form a cycle.
    """
    effective: dict[str, Conditions] = {}
    for key in dependency_order(space):
        conditions = dict(space[key].when)
        for named in space[key].when:
            for other, allowed in effective[named].items():
                conditions[other] = tuple(value for value in conditions.get(other, allowed) if value in allowed)
        effective[key] = conditions
    return effective
