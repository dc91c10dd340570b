"""Calls for all slots at once, as a GPU wants them, against a call a slot: here both run on the CPU."""

import pytest
import torch

from pipeline.draws import Stream
from pipeline.model import Network
from pipeline.model.layers import (
    Activation,
    AveragePool2d,
    BatchNorm,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Layer,
    LayerNorm,
    Linear,
    MaxPool2d,
    Pass,
    Residual,
    Wrapped,
)
from pipeline.model.network import Branch
from pipeline.stacked import HOST, On, Stacked
from tests.model.bound import batch, bound, streams

BATCHED = On(HOST.device, batched=True)

LAYERS = {
    "linear": (lambda: Linear(37, 9), 9),
    "scaled linear": (lambda: Linear(37, 9, scale=1 / 255), 9),
    "bfloat16 linear": (lambda: Linear(37, 33, half=True), 33),
    "first linear": (lambda: Linear(37, 9, first=True), 9),
    "one output": (lambda: Linear(37, 1), 1),
    "relu": (lambda: Activation("relu"), 37),
    "gelu": (lambda: Activation("gelu"), 37),
    "silu": (lambda: Activation("silu"), 37),
    "tanh": (lambda: Activation("tanh"), 37),
    "sigmoid": (lambda: Activation("sigmoid"), 37),
    "batch norm": (lambda: BatchNorm(37), 37),
    "batch norm per source": (lambda: BatchNorm(37, ("left", "right", "single")), 37),
    "layer norm": (lambda: LayerNorm(37), 37),
    "residual": (lambda: Residual([Linear(37, 5), Activation("relu"), Linear(5, 37)]), 37),
}
IMAGES = {
    "convolution": (lambda: Conv2d((3, 7, 5), 4, 3, 2, 1), 48),
    "first convolution": (lambda: Conv2d((3, 7, 5), 2, 5, padding=2, first=True, scale=1 / 255), 70),
    "largest": (lambda: MaxPool2d((3, 7, 5), 2), 18),
    "means": (lambda: AveragePool2d((3, 7, 5)), 3),
    "images normalised": (lambda: BatchNorm2d((3, 7, 5)), 105),
    "images normalised per source": (lambda: BatchNorm2d((3, 7, 5), ("left", "right", "single")), 105),
    "block": (lambda: Residual([Conv2d((3, 7, 5), 3, 3, padding=1), BatchNorm2d((3, 7, 5))]), 105),
}
ROWS = {"left": slice(0, 4), "right": slice(4, 10), "single": slice(10, 11)}


def on(layer: Layer, slots: int, batched: bool) -> Layer:
    bound(layer, slots)
    if batched:
        views = ({name: it.tensor for name, it in held.items()} for held in (layer.values, layer.grads, layer.buffers))
        layer.bind(*views, on=BATCHED)
    return layer


@pytest.mark.parametrize("slots", [1, 3, 64])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS | IMAGES)
def test_batched_layer_agrees_with_a_call_a_slot(name: str, training: bool, slots: int) -> None:
    make, outputs = (LAYERS | IMAGES)[name]
    width = 37 if name in LAYERS else 105
    shared = "linear" in name or "convolution" in name
    this = Pass(ROWS, streams(slots) if training else None)
    found = []
    for batched in (False, True):
        layer = on(make(), slots, batched)
        x, grad = batch(1 if shared else slots, 11, width), batch(slots, 11, outputs, seed=2)
        y = layer.forward(x, this).tensor.clone()
        back = layer.backward(grad)
        left = [it.tensor for held in (layer.grads, layer.buffers) for it in held.values()]
        found.append([y, *left] + ([back.tensor] if back else []))
    # A source of few rows may have them near each other: what is divided by their spread has that much more rounding.
    tolerance = 2e-2 if layer_is_halved(name) else 1e-3 if "per source" in name else 2e-5
    torch.testing.assert_close(found[1], found[0], rtol=tolerance, atol=tolerance)


def layer_is_halved(name: str) -> bool:
    return name.startswith("bfloat16")


def test_batched_layer_reads_and_writes_some_rows_of_a_larger_batch() -> None:
    for name in ("relu", "linear"):
        make, outputs = LAYERS[name]
        x, grad = batch(3, 11, 37), batch(3, 6, outputs, seed=2)
        answers = []
        for batched in (False, True):
            layer, into = on(make(), 3, batched), batch(3, 11, 37, seed=3)
            y = layer.forward(x.part(slice(4, 10)), Pass({})).tensor.clone()
            back = layer.backward(grad, into.part(slice(4, 10)))
            answers.append([y, back.tensor])
        torch.testing.assert_close(answers[1], answers[0], rtol=2e-5, atol=2e-5)


RATES = [0.0, 0.1, 0.5, 0.999, 0.3 + 1 / 1024]


def masks(rates: list[float], epoch: int = 0, steps: int = 1, names: list[Stream] | None = None) -> torch.Tensor:
    """[steps, K, 256, 512] of what each unit is multiplied by."""
    layer = Dropout(rates, "trunk.0")
    layer.bind({}, {}, {}, on=BATCHED)
    own = names or list(streams(len(rates)))
    layer.begin(own, epoch)
    x = Stacked(torch.ones(len(rates), 256, 512))
    return torch.stack(
        [layer.forward(x, Pass({}, own, clock=torch.tensor([step]))).tensor.clone() for step in range(steps)]
    )


def test_batched_dropout_has_each_slots_rate_and_keeps_the_mean() -> None:
    found = masks(RATES, steps=8)
    dropped = (found == 0).double().mean((0, 2, 3))
    for k, rate in enumerate(RATES):
        deviation = (rate * (1 - rate) / found[:, k].numel()) ** 0.5
        # Between two levels of 1/256 a step takes one of them: so many steps leave so much.
        assert abs(dropped[k].item() - rate) < 5 * deviation + 1 / 256 / 8**0.5
        kept = found[:, k][found[:, k] > 0]
        assert kept.min() == kept.max()
        assert kept[0].item() * (1 - rate) == pytest.approx(1, rel=0.02)
    assert (found[:, 0] == 1).all()


def test_batched_dropout_draws_slots_steps_epochs_rows_and_units_apart() -> None:
    found = (masks([0.5, 0.5], steps=3) > 0).double()
    later = (masks([0.5, 0.5], epoch=1) > 0).double()
    apart = [found[0, 0], found[0, 1], found[1, 0], found[2, 0], later[0, 0]]
    apart += [found[0, 0].roll(shift, dim) for shift in (1, 2, 4, 8) for dim in (0, 1)]
    table = torch.stack([it.flatten() for it in apart])
    between = torch.corrcoef(table) - torch.eye(len(table), dtype=torch.float64)
    assert between.abs().max().item() < 5 / found[0, 0].numel() ** 0.5


def test_batched_dropout_depends_on_the_slots_own_stream_alone() -> None:
    own = list(streams(3))
    assert torch.equal(masks([0.5] * 3, names=own)[0, 2], masks([0.5], names=own[2:])[0, 0])


def test_batched_dropout_sends_back_the_gradient_of_what_it_kept() -> None:
    layer = Dropout([0.5, 0.2], "trunk.0")
    layer.bind({}, {}, {}, on=BATCHED)
    ones = torch.ones(2, 7, 37)
    y = layer.forward(Stacked(ones), Pass({}, streams(2), clock=torch.tensor([3]))).tensor.clone()
    assert torch.equal(layer.backward(Stacked(ones)).tensor, y)


@pytest.mark.parametrize("lifted", [False, True])
def test_batched_dropout_inside_a_module_drops_as_our_own_in_every_step(lifted: bool) -> None:
    layer = Wrapped("tests.model.modules:Twice", {}, (40,), "trunk", lifted=lifted)
    own = list(streams(3))
    Network([Branch("trunk", (), [layer], {})], {}).initialise(own, BATCHED)
    first, second = Dropout([0.25] * 3, "trunk.dropout"), Dropout([0.25] * 3, "trunk.dropout.1")
    for it in (first, second):
        it.bind({}, {}, {}, on=BATCHED)
        it.begin(own, 1)
    weight, bias = (layer.values[f"linear.{part}"].tensor for part in ("weight", "bias"))
    x, seen = batch(3, 6, 40), []
    for step in range(2):
        this = Pass({}, own, 1, step, torch.tensor([step]))
        seen.append(layer.forward(x, this).tensor.clone())
        layer.backward(batch(3, 6, 40, seed=2))
        product = first.forward(Stacked(x.tensor), this).tensor @ weight.mT + bias.unsqueeze(1)
        torch.testing.assert_close(seen[-1], second.forward(Stacked(product), this).tensor, rtol=1e-5, atol=1e-5)
    assert not torch.equal(seen[0] == 0, seen[1] == 0)
