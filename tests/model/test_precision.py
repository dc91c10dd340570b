import pytest
import torch

from pipeline.model.layers import Linear, Pass, linear
from pipeline.stacked import Stacked
from tests.model.bound import batch, bound


def halved(slots: int, scale: float = 1.0, inputs: int = 96, outputs: int = 64) -> Linear:
    return bound(Linear(inputs, outputs, scale=scale, half=True), slots)


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_bfloat16_products_are_near_those_of_float32(scale: float) -> None:
    layer, exact = halved(3, scale), bound(Linear(96, 64, scale=scale), 3)
    x, grad = batch(3, 33, 96), batch(3, 33, 64, seed=2)
    found, wanted = layer.forward(x, Pass({})), exact.forward(x, Pass({}))
    back, wanted_back = layer.backward(grad), exact.backward(grad)
    assert back is not None
    assert wanted_back is not None
    pairs = [(found, wanted), (back, wanted_back)] + [(layer.grads[name], exact.grads[name]) for name in exact.grads]
    for one, other in pairs:
        assert one.tensor.dtype == torch.float32
        distance = (one.tensor - other.tensor).norm() / other.tensor.norm()
        assert distance < 0.01
    assert not torch.equal(found.tensor, wanted.tensor)


@pytest.mark.parametrize("slots", [2, 5, 16])
def test_a_slot_has_the_same_bfloat16_products_bit_for_bit_whatever_its_neighbours(slots: int) -> None:
    layer, x, grad = halved(slots), batch(slots, 33, 96), batch(slots, 33, 64, seed=2)
    y, back = layer.forward(x, Pass({})), layer.backward(grad)
    assert back is not None
    for k in range(slots):
        alone = halved(1)
        for name, value in layer.values.items():
            alone.values[name].tensor.copy_(value.tensor[k : k + 1])
        assert torch.equal(alone.forward(Stacked(x.tensor[k : k + 1]), Pass({})).tensor[0], y.tensor[k])
        mine = alone.backward(Stacked(grad.tensor[k : k + 1]))
        assert mine is not None
        assert torch.equal(mine.tensor[0], back.tensor[k])
        assert torch.equal(alone.grads["weight"].tensor[0], layer.grads["weight"].tensor[k])


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_with_matrix_units_the_library_rounds_the_factors_of_wide_layers(
    scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    matmul = torch.backends.mkldnn.matmul
    before, seen = matmul.fp32_precision, set()
    plain, added = torch.mm, torch.addmm
    monkeypatch.setattr(linear, "has_units", lambda: True)
    for name, product in (("mm", plain), ("addmm", added)):
        monkeypatch.setattr(
            torch, name, lambda *a, product=product, **b: (seen.add(matmul.fp32_precision), product(*a, **b))[1]
        )
    layer, narrow = halved(3, scale), halved(3, scale, outputs=10)
    exact = bound(Linear(96, 64, scale=scale), 3)
    x, grad = batch(3, 33, 96), batch(3, 33, 64, seed=2)
    found = layer.forward(x, Pass({}))
    back = layer.backward(grad)
    assert (seen, matmul.fp32_precision) == ({"bf16"}, before)
    seen.clear()
    narrow.forward(x, Pass({}))
    wanted, wanted_back = exact.forward(x, Pass({})), exact.backward(grad)
    assert seen == {before}
    assert back is not None
    assert wanted_back is not None
    for one, other in ((found, wanted), (back, wanted_back), (layer.grads["weight"], exact.grads["weight"])):
        assert (one.tensor - other.tensor).norm() / other.tensor.norm() < 0.01
    assert not layer.rowwise


def test_a_narrow_layer_stays_float32() -> None:
    layer, exact = halved(2, outputs=10), bound(Linear(96, 10), 2)
    x = batch(2, 33, 96)
    assert torch.equal(layer.forward(x, Pass({})).tensor, exact.forward(x, Pass({})).tensor)
