"""Where the dimensions of a search space are searched: everywhere, or only with certain values of others."""

from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

from pipeline.config.tuning import Dimension

Conditions = Mapping[str, tuple[Any, ...]]
"""Values by key of which one has to be there, for every key."""


def dependency_order(space: Mapping[str, Dimension]) -> list[str]:
    """The keys, each after those that its condition names, else in alphabetical order.

    Raises:
        graphlib.CycleError: There is no such order.
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
    """Whether conditions hold in a trial.

    Args:
        conditions: Of a dimension.
        values: That the trial searches, by key; what is not searched in it has no value that a condition could ask for.
    """
    return all(key in values and values[key] in allowed for key, allowed in conditions.items())


def effective_conditions(space: Mapping[str, Dimension]) -> dict[str, Conditions]:
    """All that holds where a dimension is searched, in order: its own conditions, and those of what they name.

    Raises:
        graphlib.CycleError: Conditions go round in a circle.
    """
    found: dict[str, Conditions] = {}
    for key in dependency_order(space):
        conditions = dict(space[key].when)
        for named in space[key].when:
            for other, allowed in found[named].items():
                conditions[other] = tuple(value for value in conditions.get(other, allowed) if value in allowed)
        found[key] = conditions
    return found
