"""Convolutions are torch's, however windows, strides and padding lie over the image."""

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.model.layers import Conv2d, Linear, conv
from pipeline.model.layers.columns import added
from tests.model.bound import batch, bound, training
from tests.model.held import check, turned

# shape of an image, channels, window, stride, padding
SIZES = [
    ((1, 9, 7), 4, 5, 1, 2),
    ((3, 8, 8), 5, 3, 1, 1),
    ((3, 8, 9), 5, 3, 2, 1),
    ((4, 7, 7), 2, 1, 2, 0),
    ((2, 6, 5), 3, 4, 3, 0),
    ((1, 5, 5), 1, 5, 1, 0),
    ((2, 3, 3), 2, 5, 2, 3),
]


@pytest.mark.parametrize(("shape", "channels", "window", "stride", "padding"), SIZES)
@pytest.mark.parametrize("shared", [False, True])
def test_convolution_is_torchs(
    shape: tuple[int, int, int], channels: int, window: int, stride: int, padding: int, shared: bool
) -> None:
    layer = Conv2d(shape, channels, window, stride, padding)

    def of_torch(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional.conv2d(x, weight, bias, stride, padding)

    check(layer, of_torch, shape, slots=3, shared=shared)
    assert layer.answers == tuple(of_torch(torch.zeros(1, *shape), *_one(layer)).shape[1:])


def test_convolution_without_a_bias_scales_its_input_and_sends_no_gradient_back_from_a_first_layer() -> None:
    scaled = Conv2d((2, 6, 6), 3, 3, padding=1, bias=False, scale=1 / 16)
    check(scaled, lambda x, weight: functional.conv2d(x / 16, weight, padding=1), (2, 6, 6), slots=2)
    first = bound(Conv2d((1, 6, 6), 3, 3, first=True), 2)
    first.forward(batch(1, 4, 36), training(2))
    assert first.backward(batch(2, 4, 48)) is None


def test_blocks_of_any_size_give_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for most in (1, 3000, 10**9):
        for name in ("_CACHED", "_SPREAD"):
            monkeypatch.setattr(conv, name, most)
        layer = Conv2d((2, 9, 8), 3, 3, 2, 1)
        check(layer, lambda x, weight, bias: functional.conv2d(x, weight, bias, 2, 1), (2, 9, 8), slots=2)


def test_it_does_not_matter_how_rows_lie_in_memory() -> None:
    answers = []
    for lay in (lambda it: it, turned):
        layer = bound(Conv2d((2, 5, 5), 3, 3), 2)
        y = layer.forward(lay(batch(2, 4, 50)), training(2)).tensor.clone()
        back = layer.backward(lay(batch(2, 4, 27, seed=2)))
        assert back is not None
        answers.append([y, back.tensor.clone(), layer.grads["weight"].tensor.clone()])
    for found, wanted in zip(*answers, strict=True):
        assert torch.equal(found, wanted)


def test_initial_values_are_bound_as_torchs_are() -> None:
    declared = Conv2d((3, 5, 5), 4, 5).parameters()
    assert {name: it.shape for name, it in declared.items()} == {"weight": (4, 3, 5, 5), "bias": (4,)}
    assert {it.bound for it in declared.values()} == {Linear(75, 1).parameters()["weight"].bound}
    module = torch.nn.Conv2d(3, 400, 5)
    assert module.weight.abs().max().item() == pytest.approx(75**-0.5, rel=1e-3)


def test_a_columns_value_lands_where_its_window_took_it() -> None:
    for window, stride, padding, size in product((1, 2, 5), (1, 2, 3), (0, 1, 3), (3, 7)):
        count = (size + 2 * padding - window) // stride + 1
        for start, offset in product(range(count), range(window)):
            chosen, places = added(window, stride, padding, size, start, count, offset)
            wanted = [(it, it * stride + offset - padding) for it in range(start, count)]
            wanted = [(it - start, place) for it, place in wanted if 0 <= place < size]
            found = list(zip(range(count - start)[chosen], range(size)[places], strict=True))
            assert found == wanted


def _one(layer: Conv2d) -> list[Tensor]:
    return [layer.values[name].slots[0] for name in layer.parameters()]
