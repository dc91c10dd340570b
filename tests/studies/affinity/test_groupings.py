"""Groupings of tasks, and the best of them."""

import numpy as np
import pytest

from pipeline.studies.affinity import groupings as module
from pipeline.studies.affinity.groupings import best, expected, groupings, groups_of, titled, value

FOUR = ["a", "b", "c", "d"]


def _made(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, count))


def test_what_is_expected_is_the_mean_of_the_others() -> None:
    affinity = np.array([[9.0, 0.1, 0.2], [0.3, 9.0, 0.4], [0.5, 0.6, 9.0]])
    assert expected(("a", "b", "c"), ["a", "b", "c"], affinity) == pytest.approx(
        {"a": (0.3 + 0.5) / 2, "b": (0.1 + 0.6) / 2, "c": (0.2 + 0.4) / 2}
    )
    assert expected(("b",), ["a", "b", "c"], affinity) == {"b": 0.0}
    assert value((("a", "c"), ("b",)), ["a", "b", "c"], affinity) == pytest.approx((0.5 + 0.2) / 3)


@pytest.mark.parametrize(("count", "networks", "wanted"), [(3, 3, 5), (4, 4, 15), (4, 2, 8), (5, 5, 52), (4, 1, 1)])
def test_every_grouping_is_there_once(count: int, networks: int, wanted: int) -> None:
    # Bell's numbers, and Stirling's of the second kind: S(4, 1) + S(4, 2) = 8
    tasks = [f"t{number}" for number in range(count)]
    found = list(groupings(tasks, networks))
    assert len(found) == len({frozenset(map(frozenset, it)) for it in found}) == wanted
    assert all(sorted(sum(it, ())) == tasks and len(it) <= networks for it in found)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("networks", [1, 2, 3, 6])
def test_the_best_is_the_best_of_all(seed: int, networks: int) -> None:
    tasks, affinity = list("abcdef"), _made(6, seed)
    found = best(tasks, affinity, networks)
    assert len(found) <= networks
    highest = max(value(it, tasks, affinity) for it in groupings(tasks, networks))
    assert value(found, tasks, affinity) == pytest.approx(highest)


def test_it_depends_on_no_order() -> None:
    affinity, order = _made(6, 7), [3, 1, 5, 0, 2, 4]
    tasks = np.array(list("abcdef"))
    one = best(list(tasks), affinity, 3)
    other = best(list(tasks[order]), affinity[np.ix_(order, order)], 3)
    assert {frozenset(group) for group in one} == {frozenset(group) for group in other}


def test_tasks_that_harm_one_another_stay_alone_and_equals_stay_together() -> None:
    assert best(FOUR, -np.ones((4, 4)), 4) == (("a",), ("b",), ("c",), ("d",))
    assert best(FOUR, np.ones((4, 4)), 4) == (tuple(FOUR),)
    assert best(FOUR, np.zeros((4, 4)), 2) == (tuple(FOUR),)


def test_two_clear_groups_are_found_among_many_tasks() -> None:
    tasks = [f"t{number}" for number in range(module.EXACT + 4)]
    side = np.arange(len(tasks)) % 2
    affinity = np.where(side[:, None] == side, 0.1, -0.1) + 0.001 * _made(len(tasks), 0)
    assert best(tasks, affinity, 2) == (tuple(tasks[::2]), tuple(tasks[1::2]))


@pytest.mark.parametrize("seed", range(3))
def test_merging_comes_close_to_the_best(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, affinity = list("abcdefg"), _made(7, seed)
    exact = value(best(tasks, affinity, 3), tasks, affinity)
    monkeypatch.setattr(module, "EXACT", 3)
    found = best(tasks, affinity, 3)
    assert len(found) <= 3
    assert value(found, tasks, affinity) >= 0.8 * exact


def test_groups_once_and_titles() -> None:
    many = [(("a", "b"), ("c",)), (("a", "b", "c"),), (("a", "c"), ("b",))]
    assert groups_of(many) == [("a", "b"), ("c",), ("a", "b", "c"), ("a", "c"), ("b",)]
    assert titled(many[0]) == "a + b | c"
