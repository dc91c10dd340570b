import pytest
import torch
from torch import Tensor, nn

from pipeline.model.layers import BatchNorm, LayerNorm, Pass
from pipeline.stacked import Stacked
from tests.model.bound import batch, bound, training

SLOTS = 3


def close(found: Tensor, wanted: Tensor, rounding: float = 1e-5) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=rounding)


def modules(layer: BatchNorm | LayerNorm, of: str = "") -> list[nn.BatchNorm1d]:
    """torch's own modules on the values of each slot."""
    made = []
    for k in range(SLOTS):
        module = nn.BatchNorm1d(layer.width) if isinstance(layer, BatchNorm) else nn.LayerNorm(layer.width)
        module.weight.data.copy_(layer.values["weight"].slots[k])
        module.bias.data.copy_(layer.values["bias"].slots[k])
        made.append(module)
    return made


def check_step(module: nn.Module, layer: BatchNorm | LayerNorm, k: int, x: Tensor, y: Tensor, grads: Tensor) -> Tensor:
    """Forward and backward of slot k; returns the wanted gradient of x."""
    wanted_x = x.clone().requires_grad_()
    wanted = module(wanted_x)
    close(y, wanted)
    module.zero_grad()
    wanted.backward(grads)
    assert wanted_x.grad is not None
    return wanted_x.grad


@pytest.mark.parametrize(("rows", "width"), [(64, 128), (7, 37), (2, 1)])
def test_batch_norm_equals_torch_over_several_steps_and_in_evaluation(rows: int, width: int) -> None:
    layer = bound(BatchNorm(width), SLOTS)
    wanted = modules(layer)
    # Two rows are normalised to 1 and -1 wherever they lie: their gradient is rounding, divided by how near they are.
    rounding = 1e-3 if rows == 2 else 1e-5
    for step in range(3):
        x, grad = batch(SLOTS, rows, width, seed=step), batch(SLOTS, rows, width, seed=10 + step)
        y, back = layer.forward(x, training(SLOTS)), layer.backward(grad)
        for k, module in enumerate(wanted):
            close(back.slots[k], check_step(module, layer, k, x.slots[k], y.slots[k], grad.slots[k]), rounding)
            close(layer.grads["weight"].slots[k], module.weight.grad)
            close(layer.grads["bias"].slots[k], module.bias.grad)
    for k, module in enumerate(wanted):
        close(layer.buffers["mean"].slots[k], module.running_mean)
        close(layer.buffers["variance"].slots[k], module.running_var)
        close(layer.forward(x, Pass({})).slots[k], module.eval()(x.slots[k]))


def test_batch_norm_per_source_keeps_the_sources_apart_under_one_scale_and_shift() -> None:
    layer = bound(BatchNorm(37, ("a", "b")), SLOTS)
    rows = {"a": slice(0, 5), "b": slice(5, 16)}
    wanted = {source: modules(layer) for source in rows}
    for step in range(3):
        x, grad = batch(SLOTS, 16, 37, seed=step), batch(SLOTS, 16, 37, seed=10 + step)
        y, back = layer.forward(x, training(SLOTS, rows=rows)), layer.backward(grad)
        for k in range(SLOTS):
            for source, where in rows.items():
                module = wanted[source][k]
                dx = check_step(module, layer, k, x.slots[k][where], y.slots[k][where], grad.slots[k][where])
                close(back.slots[k][where], dx)
            close(layer.grads["weight"].slots[k], wanted["a"][k].weight.grad + wanted["b"][k].weight.grad)
    for source, made in wanted.items():
        for k, module in enumerate(made):
            close(layer.buffers[f"mean.{source}"].slots[k], module.running_mean)
            close(layer.buffers[f"variance.{source}"].slots[k], module.running_var)


def test_a_single_row_is_normalised_by_the_running_statistics_and_leaves_them_as_they_are() -> None:
    layer = bound(BatchNorm(4), SLOTS)
    layer.forward(batch(SLOTS, 8, 4), training(SLOTS))
    before = layer.buffers["variance"].tensor.clone()
    x = batch(SLOTS, 1, 4, seed=5)
    trained = layer.forward(x, training(SLOTS)).tensor.clone()
    assert torch.equal(trained, layer.forward(x, Pass({})).tensor)
    assert torch.equal(layer.buffers["variance"].tensor, before)


def test_a_source_without_rows_in_a_step_is_passed_over() -> None:
    layer = bound(BatchNorm(4, ("a", "b")), SLOTS)
    x = batch(SLOTS, 6, 4)
    y = layer.forward(x, training(SLOTS, rows={"a": slice(0, 6), "b": slice(6, 6)}))
    back = layer.backward(Stacked(torch.ones(SLOTS, 6, 4)))
    assert y.tensor.isfinite().all()
    assert back.tensor.isfinite().all()
    assert torch.equal(layer.buffers["mean.b"].tensor, torch.zeros(SLOTS, 4))


@pytest.mark.parametrize(("rows", "width"), [(64, 128), (7, 37), (1, 2)])
def test_layer_norm_equals_torch(rows: int, width: int) -> None:
    layer = bound(LayerNorm(width), SLOTS)
    x, grad = batch(SLOTS, rows, width), batch(SLOTS, rows, width, seed=2)
    y, back = layer.forward(x, training(SLOTS)), layer.backward(grad)
    for k, module in enumerate(modules(layer)):
        close(back.slots[k], check_step(module, layer, k, x.slots[k], y.slots[k], grad.slots[k]))
        close(layer.grads["weight"].slots[k], module.weight.grad)
        close(layer.grads["bias"].slots[k], module.bias.grad)
