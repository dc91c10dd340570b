from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.sources import Examples
from pipeline.data.splitting import Chosen, split
from pipeline.errors import UserError

from .files import part

CLASSES = {"a": ["0", "1", "2"], "b": ["no", "yes"]}


def examples(rows: int = 1000, test: int | None = None) -> Examples:
    """Patterns of unequal share; label b is missing in every fifth row."""
    rng = np.random.default_rng(0)
    a = rng.choice(3, rows, p=[0.6, 0.3, 0.1])
    b = np.where(np.arange(rows) % 5 == 0, -1, rng.integers(0, 2, rows))
    own = None if test is None else part({"a": np.arange(test) % 3, "b": np.arange(test) % 2})
    return Examples(part({"a": a, "b": b}), own, CLASSES)


def shares(chosen: Chosen) -> dict[tuple[int, int], float]:
    patterns, counts = np.unique(np.stack([chosen.labels("a"), chosen.labels("b")]), axis=1, return_counts=True)
    return {tuple(pattern): count / counts.sum() for pattern, count in zip(patterns.T.tolist(), counts, strict=True)}


def test_each_pattern_of_labels_keeps_its_share():
    parts = split("toy", examples(), ["a", "b"], 0.2, 0.25, 0)
    whole = shares(Chosen(examples().train, np.ones(1000, bool)))
    assert len(whole) == 9
    for name, cuts in (("test", 1), ("validation", 2), ("train", 2)):  # each cut rounds a pattern's rows up or down
        rows = len(parts[name].rows)
        assert shares(parts[name]) == pytest.approx(whole, abs=cuts / rows)


def test_every_row_is_in_one_split():
    parts = split("toy", examples(), ["a", "b"], 0.2, 0.25, 0)
    assert {name: len(chosen.rows) for name, chosen in parts.items()} == {"train": 600, "validation": 150, "test": 250}
    np.testing.assert_array_equal(np.sort(np.concatenate([it.rows for it in parts.values()])), np.arange(1000))
    assert all((np.diff(chosen.rows) > 0).all() for chosen in parts.values())


def test_the_share_of_test_counts_only_where_there_is_no_test_part():
    own = examples(test=30)
    parts = split("toy", own, ["a"], 0.1, 0.5, 0)
    assert parts["test"].part is own.test
    np.testing.assert_array_equal(parts["test"].rows, np.arange(30))
    assert len(parts["train"].rows) + len(parts["validation"].rows) == 1000


def test_the_test_rows_do_not_depend_on_the_share_of_validation():
    with_, without = (split("toy", examples(), ["a"], share, 0.2, 0)["test"].rows for share in (0.3, 0.0))
    np.testing.assert_array_equal(with_, without)


def test_no_validation_share_means_no_validation_split():
    assert set(split("toy", examples(), ["a"], 0.0, 0.2, 0)) == {"train", "test"}


def test_rows_depend_on_seed_and_source_alone():
    first, same = (split("toy", examples(), ["a"], 0.2, 0.2, 1)["train"].rows for _ in range(2))
    other_seed = split("toy", examples(), ["a"], 0.2, 0.2, 2)["train"].rows
    other_name = split("other", examples(), ["a"], 0.2, 0.2, 1)["train"].rows
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other_seed)
    assert not np.array_equal(first, other_name)


def test_patterns_of_few_rows_and_many_patterns_can_be_split():
    rows = 200
    rng = np.random.default_rng(0)
    labels = {"a": rng.integers(0, 60, rows), "b": rng.integers(-1, 2, rows)}
    parts = split("toy", Examples(part(labels), None, CLASSES), ["a", "b"], 0.1, 0.2, 0)
    assert {name: len(chosen.rows) for name, chosen in parts.items()} == {"train": 144, "validation": 16, "test": 40}


@pytest.mark.parametrize(
    ("share", "test", "key"), [(0.0001, 0.2, "data.validation=0.0001"), (0.1, 0.9999, "data.test=0.9999")]
)
def test_a_share_that_leaves_a_split_empty_names_its_key(share, test, key):
    with pytest.raises(UserError, match=f"{key}: source 'toy' has .* rows to be divided, too few"):
        split("toy", examples(50), ["a", "b"], share, test, 0)


def in_groups(groups: np.ndarray, **more: np.ndarray) -> Examples:
    """Rows of groups; the labels know nothing of them."""
    own = examples(len(groups))
    return replace(own, train=replace(own.train, group=groups, **more))


def groups_of(chosen: Chosen) -> set[int]:
    assert chosen.part.group is not None
    return set(chosen.part.group[chosen.rows].tolist())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sizes", ["equal", "unequal", "one large"])
def test_a_group_is_in_one_split_whole(sizes: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares = {"equal": None, "unequal": np.arange(1, 81) / 3240, "one large": np.r_[0.4, np.full(79, 0.6 / 79)]}
    groups = rng.choice(80, 1000, p=shares[sizes]) * 7 - 5  # their numbers are names
    parts = split("toy", in_groups(groups), ["a", "b"], 0.2, 0.25, seed)
    assert set(parts) == {"train", "validation", "test"}
    every = [groups_of(chosen) for chosen in parts.values()]
    assert sum(map(len, every)) == len(set.union(*every)) == len(np.unique(groups))
    np.testing.assert_array_equal(np.sort(np.concatenate([it.rows for it in parts.values()])), np.arange(1000))


def test_groups_are_cut_as_near_to_the_share_as_they_fit_below_it() -> None:
    groups = np.random.default_rng(0).integers(0, 100, 1000)
    parts = split("toy", in_groups(groups), ["a"], 0.2, 0.25, 0)
    smallest = np.bincount(groups).min()
    assert 250 - smallest < len(parts["test"]) <= 250
    wanted = round(0.2 * (1000 - len(parts["test"])))
    assert wanted - smallest < len(parts["validation"]) <= wanted


def test_groups_stay_whole_beside_a_test_part_of_its_own() -> None:
    own = replace(in_groups(np.arange(400) // 8), test=examples(test=30).test)
    parts = split("toy", own, ["a"], 0.2, 0.5, 0)
    assert len(parts["test"]) == 30
    assert not groups_of(parts["train"]) & groups_of(parts["validation"])
    assert len(groups_of(parts["train"]) | groups_of(parts["validation"])) == 50


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(UserError, match="source 'toy' has one group only"):
        split("toy", in_groups(np.zeros(50, int)), ["a"], 0.2, 0.2, 0)
