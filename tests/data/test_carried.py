"""How many folds rows carry, and what is said where these are not as many as asked for."""

import pytest

from pipeline.config.data import OuterFolds
from pipeline.data.carried import USUAL, Limit, carried, limit_of_class, limit_of_groups, limit_of_rows
from pipeline.errors import UserError

RARE = limit_of_class(3, "kind", "z")
TIMES = Limit(3, "5 different times", "times")


def test_enough_of_everything_carries_five_folds_twice() -> None:
    assert carried({"s": [limit_of_rows(20), limit_of_class(5, "kind", "a")]}) == (USUAL, [])


def test_the_source_that_carries_fewest_decides() -> None:
    found, lines = carried({"one": [limit_of_rows(16)], "two": [RARE], "three": []})
    assert found == OuterFolds(folds=3, repeats=2)
    assert lines == ["3 folds instead of 5: source 'two' has 3 rows of class 'z' of label 'kind'"]


@pytest.mark.parametrize("limit", [limit_of_rows(11), limit_of_groups(2)])
def test_fewer_than_three_folds_are_not_made_unasked(limit: Limit) -> None:
    found, (line,) = carried({"s": [limit]})
    assert found is None
    assert line == f"one split tests, and not every row: source 's' has {limit.why}"


def test_a_class_of_a_row_or_two_leaves_three_folds_to_the_others() -> None:
    found, _ = carried({"s": [limit_of_class(1, "kind", "z")]})
    assert found == OuterFolds(folds=3, repeats=2)
    assert carried({"s": [limit_of_class(1, "kind", "z")]}, found) == (found, [])  # written out it is the same


@pytest.mark.parametrize(
    ("limit", "remedy"),
    [
        (RARE, "lower data.test.folds to 3, or give data.test a share, such as 0.2"),
        (limit_of_rows(7), "give data.test a share, such as 0.2"),
        (Limit(1, "3 different times", "times"), "leave out its time"),
    ],
)
def test_what_is_asked_for_and_cannot_be_had_is_refused_with_what_would_do(limit: Limit, remedy: str) -> None:
    with pytest.raises(UserError) as error:
        carried({"s": [limit]}, OuterFolds(folds=4, repeats=1))
    assert str(error.value) == f"data.test.folds=4: source 's' has {limit.why}: {remedy}"


def test_two_folds_are_made_where_they_are_asked_for() -> None:
    asked = OuterFolds(folds=2, repeats=4)
    assert carried({"s": [limit_of_groups(3), RARE]}, asked) == (asked, [])


def test_times_and_groups_of_which_each_is_a_fold_are_cut_once() -> None:
    found, lines = carried({"s": [TIMES]}, OuterFolds(folds=5, repeats=2))
    assert found == OuterFolds(folds=3, repeats=1)
    assert lines == [
        "3 folds instead of 5: source 's' has 5 different times",
        "1 repeat instead of 2: source 's' has 5 different times",
    ]
    assert carried({"s": [limit_of_groups(5)]})[0] == OuterFolds(folds=5, repeats=1)
    assert carried({"s": [limit_of_groups(6)]})[0] == USUAL
    assert carried({"s": [limit_of_groups(4, "row")]})[0] == OuterFolds(folds=4, repeats=1)
