import pytest
import torch
from torch.nn import functional

from pipeline.model.layers import Activation, Pass
from tests.model.bound import batch, bound, vjp

FUNCTIONS = {
    "relu": torch.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("rows", "width"), [(64, 128), (7, 37), (1, 1)])
def test_activation_equals_torch_bit_for_bit(name: str, rows: int, width: int) -> None:
    layer, x, grad = bound(Activation(name), 3), batch(3, rows, width), batch(3, rows, width, seed=2)
    y = layer.forward(x, Pass({}))
    back = layer.backward(grad)
    for k in range(3):
        wanted, (wanted_back,) = vjp(FUNCTIONS[name], x.slots[k], grad.slots[k])
        assert torch.equal(y.slots[k], wanted)
        assert torch.equal(back.slots[k], wanted_back)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_activation_of_a_slot_does_not_depend_on_the_number_of_slots(name: str) -> None:
    # 7 x 37 values are no multiple of any vector width: the last ones are computed another way.
    many = batch(5, 7, 37)
    together = bound(Activation(name), 5).forward(many, Pass({}))
    for k in range(5):
        alone = batch(1, 7, 37)
        alone.tensor.copy_(many.slots[k])
        assert torch.equal(bound(Activation(name), 1).forward(alone, Pass({})).slots[0], together.slots[k])
