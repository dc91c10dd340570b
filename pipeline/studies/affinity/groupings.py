"""Which tasks should share a network: groupings of the tasks, and the one of which most is expected.

A group is a set of tasks that one network learns; a grouping puts every task into one group.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, combinations

import numpy as np

Group = tuple[str, ...]
Grouping = tuple[Group, ...]

EXACT = 12
"""Most tasks for which all groupings are considered."""


def expected(group: Group, tasks: Sequence[str], affinity: np.ndarray) -> dict[str, float]:
    """What the others of its group are to each task: their mean affinity onto it, 0 for a task by itself.

    Fifty et al. 2021 (arXiv 2109.04617, section 3.2).

    Args:
        group: Of these tasks.
        tasks: All T.
        affinity: Of each task (row) onto each other (column), [T, T].
    """
    places = {task: tasks.index(task) for task in group}
    return {
        task: float(np.mean([affinity[other, place] for other in places.values() if other != place] or [0.0]))
        for task, place in places.items()
    }


def value(grouping: Grouping, tasks: Sequence[str], affinity: np.ndarray) -> float:
    """The mean over all tasks of what is `expected` of their groups."""
    return sum(sum(expected(group, tasks, affinity).values()) for group in grouping) / len(tasks)


def best(tasks: Sequence[str], affinity: np.ndarray, networks: int) -> Grouping:
    """The grouping into at most so many networks with the highest `value`.

    Every grouping is considered for up to `EXACT` tasks; of more, groups are merged two by two, each time those that
    gain most, and then single tasks are moved as long as that gains. Of equals the one of fewer networks wins. Unlike
    in the paper no task is in several networks.
    """
    found = _exact(tasks, affinity, networks) if len(tasks) <= EXACT else _merged(tasks, affinity, networks)
    return ordered(found, tasks)


def groupings(tasks: Sequence[str], networks: int) -> Iterator[Grouping]:
    """Every grouping into at most so many networks, in the tasks' order."""
    if not tasks:
        yield ()
        return
    first, *others = tasks
    for size in range(len(others), -1, -1):
        for mates in combinations(others, size):
            rest = [task for task in others if task not in mates]
            if rest and networks == 1:
                continue
            yield from (((first, *mates), *more) for more in groupings(rest, networks - 1))


def to_check(
    proposal: Grouping, tasks: Sequence[str], affinity: np.ndarray, networks: int, most: int
) -> list[Grouping]:
    """What the proposal is held against by training, itself first: groupings into several networks, not all apart.

    Every one into at most so many networks where these are at most `most` different networks; else the one of which
    least is expected, into as many networks as the proposal, or two.
    """
    every: list[Grouping] = [proposal]
    if len(tasks) <= EXACT:
        for found in chain([proposal], groupings(tasks, networks)):
            every = list(dict.fromkeys([*every, found]))
            if len(_networks(every, tasks)) > most:
                break
    if len(_networks(every, tasks)) > most or len(tasks) > EXACT:
        every = [proposal, best(tasks, -affinity, max(2, len(proposal)))]
    return [found for found in dict.fromkeys(every) if 1 < len(found) < len(tasks)]


def _networks(many: Sequence[Grouping], tasks: Sequence[str]) -> list[Group]:
    """The networks of groups, without that of all tasks and those of one."""
    return [group for group in groups_of(many) if 1 < len(group) < len(tasks)]


def groups_of(many: Sequence[Grouping]) -> list[Group]:
    """Every group of these groupings once, in their order."""
    return list(dict.fromkeys(chain.from_iterable(many)))


def ordered(grouping: Grouping, tasks: Sequence[str]) -> Grouping:
    """The same with tasks and groups in the tasks' order."""
    groups = (tuple(sorted(group, key=tasks.index)) for group in grouping)
    return tuple(sorted(groups, key=lambda group: tasks.index(group[0])))


def titled(grouping: Grouping) -> str:
    """Such as `digit + parity | at_least_five`."""
    return " | ".join(" + ".join(group) for group in grouping)


def _exact(tasks: Sequence[str], affinity: np.ndarray, networks: int) -> Grouping:
    """By dynamic programming over sets of tasks, which are the bits of a number."""
    everyone = (1 << len(tasks)) - 1
    values = [sum(expected(_of(bits, tasks), tasks, affinity).values(), 0.0) for bits in range(everyone + 1)]

    @cache
    def rest(bits: int, networks: int) -> tuple[float, tuple[int, ...]]:
        """The best of what is left, the task of its lowest bit in the first group."""
        if not bits:
            return 0.0, ()
        best: tuple[float, tuple[int, ...]] = values[bits], (bits,)
        lowest = bits & -bits
        mates = others = bits ^ lowest
        while networks > 1 and mates:
            mates = (mates - 1) & others
            value, groups = rest(others ^ mates, networks - 1)
            group = mates | lowest
            if value + values[group] > best[0] + _SLIGHT:
                best = value + values[group], (group, *groups)
        return best

    return tuple(_of(bits, tasks) for bits in rest(everyone, networks)[1])


def _merged(tasks: Sequence[str], affinity: np.ndarray, networks: int) -> Grouping:
    """By merging groups, then by moving tasks."""
    found: Grouping = tuple((task,) for task in tasks)
    while len(found) > 1:
        merged = [_merge(found, one, other) for one, other in combinations(range(len(found)), 2)]
        best = max(merged, key=lambda it: value(it, tasks, affinity))
        if len(found) <= networks and value(best, tasks, affinity) < value(found, tasks, affinity):
            break
        found = best
    while True:
        best = max(_moves(found, networks), key=lambda it: value(it, tasks, affinity), default=found)
        if value(best, tasks, affinity) <= value(found, tasks, affinity) + _SLIGHT:
            return found
        found = best


def _merge(grouping: Grouping, one: int, other: int) -> Grouping:
    rest = tuple(group for place, group in enumerate(grouping) if place not in (one, other))
    return (*rest, grouping[one] + grouping[other])


def _moves(grouping: Grouping, networks: int) -> Iterator[Grouping]:
    """Every grouping in which one task is in another group, or in a new one where there may be one more."""
    for place, group in enumerate(grouping):
        others = grouping[:place] + grouping[place + 1 :]
        for task in group:
            left = tuple(mate for mate in group if mate != task)
            stay = (left,) if left else ()
            for target, other in enumerate(others):
                yield (*stay, *others[:target], (*other, task), *others[target + 1 :])
            if left and len(grouping) < networks:
                yield (*stay, *others, (task,))


def _of(bits: int, tasks: Sequence[str]) -> Group:
    return tuple(task for place, task in enumerate(tasks) if bits >> place & 1)


_SLIGHT = 1e-12
"""What rounding may make of equals."""
