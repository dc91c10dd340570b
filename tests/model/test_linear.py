import pytest
import torch
from torch.nn import functional

from pipeline.model.layers import Linear, Pass
from pipeline.stacked import Stacked
from tests.model.bound import batch, bound, vjp

SHAPES = [(64, 784, 128), (7, 37, 1), (1, 5, 3), (128, 1, 10)]


@pytest.mark.parametrize(("rows", "inputs", "outputs"), SHAPES)
@pytest.mark.parametrize("shared", [False, True])
def test_linear_equals_torch_in_every_slot(rows: int, inputs: int, outputs: int, shared: bool) -> None:
    slots = 3
    layer = bound(Linear(inputs, outputs), slots)
    own = batch(1 if shared else slots, rows, inputs)
    x, grad = Stacked(own.tensor), batch(slots, rows, outputs, seed=2)

    y = layer.forward(x, Pass({}))
    back = layer.backward(grad)

    assert back is not None
    for k in range(slots):
        weight, bias = (layer.values[name].slots[k] for name in ("weight", "bias"))
        wanted, wanted_grads = vjp(functional.linear, x.each(slots)[k], grad.slots[k], weight, bias)
        found = [back.slots[k], layer.grads["weight"].slots[k], layer.grads["bias"].slots[k]]
        torch.testing.assert_close(y.slots[k], wanted, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found, wanted_grads, rtol=1e-5, atol=1e-4)


def test_first_layer_leaves_out_the_gradient_that_nobody_needs() -> None:
    layer = bound(Linear(4, 3, first=True), 2)
    layer.forward(batch(2, 5, 4), Pass({}))
    assert layer.backward(batch(2, 5, 3)) is None
    assert not layer.grads["weight"].tensor.isnan().any()


def test_initial_values_have_the_bounds_of_torch() -> None:
    declared = Linear(16, 3).parameters()
    assert {name: (it.shape, it.bound) for name, it in declared.items()} == {
        "weight": ((3, 16), 0.25),
        "bias": ((3,), 0.25),
    }
