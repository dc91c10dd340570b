"""Sums as a tree: the same to the last bit, whoever adds which subtree."""

import pytest
import torch

from pipeline.training.stack.tree import Tree, tree_sum


def values(parts: int) -> torch.Tensor:
    return torch.randn(parts, 5, generator=torch.Generator().manual_seed(parts)) * 10.0 ** torch.arange(-2, 3)


def recursive(parts: torch.Tensor) -> torch.Tensor:
    """The definition."""
    half = len(parts) // 2
    return recursive(parts[:half]) + recursive(parts[half:]) if half else parts[0]


def added(parts: torch.Tensor) -> torch.Tensor:
    tree = Tree({"a": (2,), "b": (3,)}, len(parts))
    for number, it in enumerate(parts):
        tree.add(number, {"a": it[:2], "b": it[2:]})
    found = tree.total().of
    return torch.cat([found["a"], found["b"]])


@pytest.mark.parametrize("parts", [1, 2, 4, 8, 32])
def test_parts_are_added_in_the_order_of_a_tree(parts: int) -> None:
    given = values(parts)
    assert torch.equal(added(given), recursive(given))
    assert torch.equal(tree_sum(list(given)), recursive(given))


@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
def test_subtrees_added_apart_make_the_same_sum(ranks: int) -> None:
    given = values(16)
    subtrees = torch.stack([added(it) for it in given.chunk(ranks)])
    assert torch.equal(added(subtrees), recursive(given))
    assert not torch.equal(given.sum(0), recursive(given))  # or the order did not matter


def test_a_tree_can_be_used_again_and_what_is_missing_is_zero() -> None:
    tree = Tree({"a": (1,), "b": (1,)}, 4)
    for _ in range(2):
        for number in range(4):
            tree.add(number, {"a": torch.ones(1)} | ({"b": torch.full((1,), -0.0)} if number == 2 else {}))
        found = tree.total().of
        assert (found["a"].item(), str(found["b"].item())) == (4.0, "0.0")


def test_sums_of_which_some_are_missing() -> None:
    one = torch.ones(1)
    assert tree_sum([None, one, None, None]).item() == 1.0
    assert tree_sum([one, one, None, one]).item() == 3.0
