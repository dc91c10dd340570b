"""A residual layer adds its layers' answer to its input, and hands out and takes back what is theirs."""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.model import Network
from pipeline.model.layers import Activation, Conv2d, Dropout, Linear, Repeat, Residual
from pipeline.model.network import Branch
from pipeline.stacked import Stacked
from tests.model.bound import batch, bound, streams, training
from tests.model.held import check


def test_rows_are_added_to_what_its_layers_answer() -> None:
    def of_torch(x: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
        return x + functional.linear(torch.relu(functional.linear(torch.relu(x), w, b)), v, c)

    inner = [Activation("relu"), Linear(7, 5), Activation("relu"), Linear(5, 7)]
    check(Residual(inner), of_torch, (7,), slots=3)


def test_a_shortcut_makes_the_input_fit() -> None:
    def of_torch(x: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
        return functional.conv2d(x, w, b, 2, 1) + functional.conv2d(x, v, c, 2)

    shape = (2, 6, 6)
    layer = Residual([Conv2d(shape, 4, 3, 2, 1)], [Conv2d(shape, 4, 1, 2)])
    check(layer, of_torch, shape, slots=3)
    assert set(layer.parameters()) == {
        f"{path}.0.{name}" for path in ("inner", "shortcut") for name in ("weight", "bias")
    }


def test_what_others_read_is_not_written_over() -> None:
    layer = bound(Residual([Activation("relu"), Dropout([0.5, 0.5], "trunk")]), 2)
    x, grad = batch(2, 5, 7), batch(2, 5, 7, seed=2)
    before, slopes = x.tensor.clone(), grad.tensor.clone()
    x.spare = grad.spare = True
    y = layer.forward(x, training(2)).tensor.clone()
    layer.backward(grad)
    assert torch.equal(x.tensor, before)
    assert torch.equal(grad.tensor, slopes)
    assert ((y - before == 0) | ((y - 3 * before).abs() < 1e-5)).all()  # dropped or negative, or kept and doubled


def test_its_layers_draw_initial_values_under_names_of_their_own() -> None:
    network = Network([Branch("trunk", (), [Residual([Linear(4, 4), Linear(4, 4)])], {})], {})
    network.initialise(list(streams(1)))
    named = network.named(network.values, network.buffers)
    assert not torch.equal(named["trunk.0.inner.0.weight"], named["trunk.0.inner.1.weight"])


def test_repeated_rows_stand_side_by_side() -> None:
    x = batch(2, 3, 4)
    y = Repeat(4, 3).forward(x, training(2))
    assert torch.equal(y.tensor, torch.cat([x.tensor] * 3, 2))
    assert Repeat(4, 3).backward(Stacked(torch.ones(2, 3, 12))) is None
