"""Pooling is torch's, ties and odd edges included."""

import pytest
import torch
from torch.nn import functional

from pipeline.model.layers import AveragePool2d, MaxPool2d, Pass
from pipeline.stacked import Stacked
from tests.model.bound import batch, bound
from tests.model.held import check


@pytest.mark.parametrize(("shape", "window"), [((1, 8, 8), 2), ((3, 9, 7), 2), ((2, 6, 6), 3)])
def test_largest_values_are_torchs(shape: tuple[int, int, int], window: int) -> None:
    layer = MaxPool2d(shape, window)
    check(layer, lambda x: functional.max_pool2d(x, window), shape, slots=3)
    assert layer.answers == tuple(functional.max_pool2d(torch.zeros(1, *shape), window).shape[1:])


def test_of_equal_values_the_same_one_gets_the_gradient_as_in_torch() -> None:
    layer = bound(MaxPool2d((1, 4, 4), 2), 1)
    x, grad = torch.ones(1, 3, 16), batch(1, 3, 4).tensor
    layer.forward(Stacked(x.clone()), Pass({}))
    leaf = x[0].unflatten(1, (1, 4, 4)).requires_grad_()
    functional.max_pool2d(leaf, 2).backward(grad[0].unflatten(1, (1, 2, 2)))
    assert leaf.grad is not None
    assert torch.equal(layer.backward(Stacked(grad)).tensor[0], leaf.grad.flatten(1))


def test_means_over_the_image_are_torchs() -> None:
    check(AveragePool2d((3, 5, 4)), lambda x: x.mean((2, 3)), (3, 5, 4), slots=3)
