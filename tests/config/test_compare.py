"""What an experiment may say about a comparison."""

import pytest

from pipeline.config import load
from pipeline.errors import UserError
from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    ("given", "methods"),
    [
        ("upgrad, mgda,upgrad", ("upgrad", "mgda")),
        (["famo"], ("famo",)),
        ("all", "all"),
    ],
)
def test_methods_are_named_by_a_line_or_a_list(given: object, methods: object) -> None:
    assert load("debug", {"compare.methods": given}, REPOSITORY).compare.methods == methods


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"compare.methods": "upgrd"}, "there is no method 'upgrd' \\(did you mean 'upgrad'\\?\\)"),
        ({"compare.methods": 3}, "compare.methods: input should be 'all' or a list"),
        ({"compare.seeds": 1}, "compare.seeds: 1 gives no interval"),
        ({"compare.trials": 0}, "compare.trials"),
    ],
)
def test_what_cannot_be_compared_is_a_mistake(values: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        load("debug", values, REPOSITORY)
