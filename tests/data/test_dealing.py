"""Folds are alike: in rows, classes and patterns; what belongs together stays together."""

import numpy as np
import pytest

from pipeline.data.dealing import fold_of_each, numbered

ROWS = 403
DRAWS = np.random.default_rng(0)
COMMON = DRAWS.choice(3, ROWS, p=[0.6, 0.3, 0.1])
RARE = np.where(np.isin(np.arange(ROWS), [5, 17, 100, 203, 399]), 1, 0)
PATTERNS = np.unique(COMMON * 2 + RARE, return_inverse=True)[1]
ALONE = np.arange(ROWS)


def dealt(units: np.ndarray = ALONE, folds: int = 5, seed: int = 0) -> np.ndarray:
    strata = numbered([np.zeros(ROWS, int), COMMON, RARE])
    return fold_of_each(units, strata, PATTERNS, folds, np.random.default_rng(seed))


def spread(of: np.ndarray, where: np.ndarray, folds: int = 5) -> int:
    return int(np.ptp(np.bincount(of[where], minlength=folds)))


@pytest.mark.parametrize("folds", [2, 5, 7])
def test_single_rows_are_dealt_within_one_row_altogether_and_of_each_pattern(folds: int) -> None:
    of = dealt(folds=folds)
    assert set(of.tolist()) == set(range(folds))
    assert spread(of, of >= 0, folds) <= 1
    for pattern in np.unique(PATTERNS):
        assert spread(of, pattern == PATTERNS, folds) <= 1


def test_a_class_of_as_many_rows_as_folds_is_in_each_whatever_else_its_rows_are() -> None:
    assert len(np.unique(PATTERNS[RARE == 1])) > 1  # it is no single pattern
    assert all(spread(dealt(seed=seed), RARE == 1) == 0 for seed in range(10))


def test_units_stay_whole_and_single_rows_make_up_for_them() -> None:
    units = np.where(ALONE < 60, ALONE // 3, ALONE)  # twenty of three rows
    of = dealt(units)
    assert all(len(set(of[units == unit])) == 1 for unit in np.unique(units))
    assert spread(of, of >= 0) <= 1


def test_classes_are_spread_over_folds_of_whole_groups() -> None:
    groups = ALONE // 13
    ill = (groups % 6 == 0).astype(int)  # six of 31 groups: a draw would often put none of them into some fold
    found = []
    for seed in range(10):
        strata = numbered([np.zeros(ROWS, int), ill])
        of = fold_of_each(groups, strata, ill, 5, np.random.default_rng(seed))
        assert all(len(set(of[groups == group])) == 1 for group in np.unique(groups))
        found.append(np.bincount(of[ill == 1], minlength=5).min())
    assert min(found) > 0


def test_groups_of_different_sizes_are_dealt_otherwise_by_another_draw() -> None:
    groups = np.repeat(np.arange(28), np.arange(1, 29))[:ROWS]
    folds = [dealt(groups, seed=seed) for seed in range(2)]
    together = [np.equal.outer(of, of) for of in folds]
    assert not np.array_equal(*together)


def test_the_same_draw_deals_alike() -> None:
    np.testing.assert_array_equal(dealt(), dealt())
    assert not np.array_equal(dealt(), dealt(seed=1))


def test_columns_get_numbers_of_their_own() -> None:
    np.testing.assert_array_equal(numbered([np.array([7, 7, 3]), np.array([-1, 0, 0])]), [[1, 2], [1, 3], [0, 3]])
