"""What an experiment may say about deciding."""

import pytest

from pipeline.config import load
from pipeline.errors import UserError
from tests.conftest import REPOSITORY


def test_a_hundredth_does_not_matter_unless_told_otherwise() -> None:
    assert load("debug", {}, REPOSITORY).decision.margin == 0.01
    assert load("debug", {"decision.margin": 0.02}, REPOSITORY).decision.margin == 0.02


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"decision.margin": 0.0}, "decision.margin"),
        ({"decision.margin": "wide"}, "decision.margin"),
        ({"decision.margn": 0.1}, "margn"),
    ],
)
def test_what_is_no_margin_is_a_mistake(values: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        load("debug", values, REPOSITORY)
