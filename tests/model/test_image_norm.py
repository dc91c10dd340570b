"""Batch norm over images is torch's, in training, in evaluation and for each source apart."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.model.layers import BatchNorm2d, Pass
from tests.model.bound import batch, bound, training
from tests.model.held import check

SHAPE = (3, 5, 4)
ROWS = {"left": slice(0, 4), "right": slice(4, 10), "single": slice(10, 11)}


def test_normalised_images_are_torchs() -> None:
    def of_torch(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional.batch_norm(x, None, None, weight, bias, training=True)

    check(BatchNorm2d(SHAPE), of_torch, SHAPE, slots=3, batches=(6, 2))


def test_running_statistics_are_torchs_and_evaluation_uses_them() -> None:
    layer = bound(BatchNorm2d(SHAPE), 2)
    modules = [nn.BatchNorm2d(3) for _ in range(2)]
    for step in range(3):
        x = batch(2, 6, 60, seed=step)
        layer.forward(x, training(2))
        for k, module in enumerate(modules):
            module(x.slots[k].unflatten(1, SHAPE))
    x = batch(2, 6, 60, seed=9)
    y = layer.forward(x, Pass({})).tensor
    for k, module in enumerate(modules):
        torch.testing.assert_close(layer.buffers["mean"].slots[k], module.running_mean)
        torch.testing.assert_close(layer.buffers["variance"].slots[k], module.running_var)
        module.weight.data, module.bias.data = (layer.values[name].slots[k] for name in ("weight", "bias"))
        torch.testing.assert_close(y[k], module.eval()(x.slots[k].unflatten(1, SHAPE)).flatten(1), rtol=2e-5, atol=2e-5)


def test_a_single_row_is_normalised_by_the_running_statistics() -> None:
    layer, x = bound(BatchNorm2d(SHAPE), 2), batch(2, 1, 60)
    trained = layer.forward(x, training(2)).tensor.clone()
    assert torch.equal(trained, layer.forward(x, Pass({})).tensor)


def test_sources_are_normalised_apart() -> None:
    apart, x, grad = bound(BatchNorm2d(SHAPE, tuple(ROWS)), 2), batch(2, 11, 60), batch(2, 11, 60, seed=2)
    y = apart.forward(x, training(2, rows=ROWS)).tensor.clone()
    back, gradient = apart.backward(grad).tensor.clone(), apart.grads["weight"].tensor.clone()
    total = torch.zeros_like(gradient)
    for rows in ROWS.values():
        alone = bound(BatchNorm2d(SHAPE), 2)
        found = alone.forward(x.part(rows), training(2)).tensor
        torch.testing.assert_close(y[:, rows], found, rtol=2e-5, atol=2e-5)
        torch.testing.assert_close(back[:, rows], alone.backward(grad.part(rows)).tensor, rtol=2e-5, atol=2e-5)
        total += alone.grads["weight"].tensor
    torch.testing.assert_close(gradient, total, rtol=2e-5, atol=2e-5)
