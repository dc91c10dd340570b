"""Which nodes may train, and what is said of others."""

from typing import Any

import pytest

from pipeline.training.workers.ray.nodes import difference, refusal, wanted
from tests.conftest import REPOSITORY

HERE = wanted(REPOSITORY / "pipeline")


def node(**other: Any) -> dict[str, Any]:
    return {**HERE, "folder": "/opt/headway"} | other


def test_a_node_that_has_the_same_may_train() -> None:
    assert difference(HERE, node()) is None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"digest": None, "folder": None}, "has no Headway: install it there, or have this clone at the same path"),
        ({"digest": "0123"}, "has another version of Headway, in /opt/headway (source 0123, and here "),
        ({"python": "3.9.1"}, f"has python 3.9.1, and this machine {HERE['python']}"),
        ({"versions": HERE["versions"] | {"torch": "1.0"}}, "has torch 1.0, and this machine "),
        ({"versions": HERE["versions"] | {"numpy": None}}, "has no numpy, and this machine "),
    ],
)
def test_what_another_node_has_is_said(other: dict[str, Any], said: str) -> None:
    found = difference(HERE, node(**other))
    assert found is not None
    assert found.startswith(said)


def test_a_node_with_other_bits_can_be_taken_by_mixed() -> None:
    assert "--mixed" in refusal("12", "34")
