import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.draws import Stream
from pipeline.errors import Failure, UserError
from pipeline.model import Network, Pass
from pipeline.model.layers import Dropout, Wrapped, wrapped
from pipeline.model.layers.module import make
from pipeline.model.network import Branch
from pipeline.stacked import Stacked
from tests.model.bound import batch, streams, training

HERE = "tests.model.modules"
TOLERANCE = 1e-5  # of a tensor's norm

# module, arguments, shape of a row, whether torch.func can lift its training
MODULES = [
    ("Convolutions", {}, (1, 12, 12), True),
    ("Convolutions", {"norm": True, "writes": True}, (1, 12, 12), True),
    ("Encoder", {}, (5, 16), False),
    ("Recurrent", {}, (5, 6), False),
    ("Centred", {}, (7,), True),
    ("Tied", {}, (7,), True),
]
EACH = pytest.mark.parametrize(("name", "arguments", "shape", "lifts"), MODULES)


def started(layer: Wrapped, slots: int) -> Wrapped:
    """The layer on its initial values, a stream a slot."""
    network = Network([Branch("trunk", (), [layer], {})], {})
    network.initialise(list(streams(slots)))
    network.grads.fill_(math.nan)
    return layer


def close(found: Tensor, wanted: Tensor) -> None:
    assert found.shape == wanted.shape
    assert (found - wanted).norm() <= TOLERANCE * wanted.norm()


def of_torch(layer: Wrapped, k: int) -> nn.Module:
    """The module itself on slot k's initial values."""
    return make(layer.module, layer.arguments, layer.shape, streams(k + 1)[k].seed_of("initial", layer.name)).module


@EACH
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("lifted", [False, True])
@pytest.mark.parametrize("slots", [1, 3])
def test_wrapped_module_equals_itself_under_plain_autograd(
    name: str, arguments: dict[str, Any], shape: tuple[int, ...], lifts: bool, slots: int, lifted: bool, shared: bool
) -> None:
    layer = started(Wrapped(f"{HERE}:{name}", arguments, shape, "trunk", lifted=lifted), slots)
    modules = [of_torch(layer, k).train() for k in range(slots)]
    for step in range(2):
        x = batch(1 if shared else slots, 6, math.prod(shape), seed=step)
        before, grad = x.tensor.clone(), batch(slots, 6, layer.outputs, seed=9 + step)
        y, back = layer.forward(x, training(slots, step=step)), layer.backward(grad)
        assert back is not None
        assert torch.equal(x.tensor, before)
        for k, module in enumerate(modules):
            leaf = before[0 if shared else k].unflatten(1, shape).requires_grad_()
            wanted = module(leaf.clone()).flatten(1)
            module.zero_grad()
            wanted.backward(grad.slots[k])
            assert leaf.grad is not None
            close(y.slots[k], wanted.detach())
            close(back.slots[k], leaf.grad.flatten(1))
            for part in layer.parameters():
                wanted = module.get_parameter(part).grad
                found = layer.grads[part].slots[k]
                close(found, torch.zeros_like(found) if wanted is None else wanted)
            for part in layer.statistics():
                close(layer.buffers[part].slots[k], dict(module.state_dict())[part].float())
    y = layer.forward(x, Pass({}))
    for k, module in enumerate(modules):
        close(y.slots[k], module.eval()(x.each(slots)[k].clone().unflatten(1, shape)).flatten(1).detach())


@EACH
def test_slots_are_one_call_where_the_module_can_be_lifted(
    monkeypatch: pytest.MonkeyPatch, name: str, arguments: dict[str, Any], shape: tuple[int, ...], lifts: bool
) -> None:
    calls = []
    monkeypatch.setattr(
        wrapped, "functional_call", lambda *given: calls.append(1) or torch.func.functional_call(*given)
    )
    layer = started(Wrapped(f"{HERE}:{name}", arguments, shape, "trunk"), 3)
    x = batch(3, 6, math.prod(shape))
    for _ in range(2):  # the first pass finds out
        calls.clear()
        layer.forward(x, training(3))
    assert len(calls) == (1 if lifts else 3)


@EACH
def test_a_slot_at_a_time_is_bitwise_the_stack_of_one(
    name: str, arguments: dict[str, Any], shape: tuple[int, ...], lifts: bool
) -> None:
    made = [Wrapped(f"{HERE}:{name}", arguments, shape, "trunk", lifted=False) for _ in range(2)]
    stack, alone = started(made[0], 3), started(made[1], 1)
    x, grad = batch(3, 6, math.prod(shape)), batch(3, 6, stack.outputs, seed=2)
    found, back = stack.forward(x, training(3)), stack.backward(grad)
    wanted = alone.forward(Stacked(x.tensor[:1]), training(1))
    wanted_back = alone.backward(Stacked(grad.tensor[:1]))
    assert back is not None
    assert wanted_back is not None
    assert torch.equal(found.slots[0], wanted.slots[0])
    assert torch.equal(back.slots[0], wanted_back.slots[0])
    for mine, own in ((stack.grads, alone.grads), (stack.buffers, alone.buffers)):
        assert all(torch.equal(it.slots[0], own[part].slots[0]) for part, it in mine.items())


def test_first_layer_answers_no_gradient_of_its_input() -> None:
    layer = started(Wrapped(f"{HERE}:Tied", {}, (7,), "trunk", first=True), 2)
    layer.forward(batch(1, 4, 7), training(2))
    assert layer.backward(batch(2, 4, 3)) is None
    assert not layer.grads["first.weight"].tensor.isnan().any()


def test_gradient_is_written_where_the_network_wants_it() -> None:
    layer, into = started(Wrapped(f"{HERE}:Tied", {}, (7,), "head"), 2), batch(2, 4, 7)
    layer.forward(batch(2, 4, 7), training(2))
    assert layer.backward(batch(2, 4, 3), into) is into


@pytest.mark.parametrize("lifted", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_dropout_inside_a_module_drops_as_our_own(lifted: bool, shared: bool) -> None:
    layer = started(Wrapped(f"{HERE}:Twice", {}, (40,), "trunk", lifted=lifted), 3)
    x, grad, this = batch(1 if shared else 3, 6, 40), batch(3, 6, 40, seed=2), training(3, epoch=1, step=4)
    y, back = Stacked(layer.forward(x, this).tensor.clone()), layer.backward(grad)
    assert back is not None
    # The same units, drawn by our layers around a plain product.
    first, second = Dropout([0.25] * 3, "trunk.dropout"), Dropout([0.25] * 3, "trunk.dropout.1")
    weight, bias = (layer.values[f"linear.{part}"].tensor for part in ("weight", "bias"))
    whole = Stacked(x.tensor.expand(3, 6, 40).clone())
    dropped = first.forward(whole, this).tensor
    product = dropped @ weight.mT + bias.unsqueeze(1)
    close(y.tensor, second.forward(Stacked(product), this).tensor)
    inner = second.backward(Stacked(grad.tensor.clone())).tensor
    close(layer.grads["linear.weight"].tensor, inner.mT @ dropped)
    close(back.tensor, first.backward(Stacked(inner @ weight)).tensor)
    assert not torch.equal(y.tensor, layer.forward(x, training(3, epoch=1, step=5)).tensor)
    close(layer.forward(x, Pass({})).tensor, x.tensor.expand(3, 6, 40) @ weight.mT + bias.unsqueeze(1))


@pytest.mark.parametrize("name", ["Noisy", "Encoder"])
def test_what_a_module_draws_depends_on_its_slot_and_step_alone(name: str) -> None:
    arguments, shape = ({"dropout": 0.5}, (5, 16)) if name == "Encoder" else ({}, (7,))
    layer = started(Wrapped(f"{HERE}:{name}", arguments, shape, "trunk"), 3)
    x, before = batch(3, 6, math.prod(shape)), torch.get_rng_state()
    first = layer.forward(x, training(3)).tensor.clone()
    torch.rand(3)
    assert torch.equal(layer.forward(x, training(3)).tensor, first)
    assert not torch.equal(layer.forward(x, training(3, step=1)).tensor, first)
    alone = started(Wrapped(f"{HERE}:{name}", arguments, shape, "trunk"), 1)
    assert torch.equal(alone.forward(Stacked(x.tensor[:1]), training(1)).tensor[0], first[0])
    torch.set_rng_state(before)
    layer.forward(x, training(3))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("lifted", [False, True])
def test_a_single_row_meets_the_running_statistics_of_batch_norms(lifted: bool) -> None:
    arguments = {"inputs": 7, "widths": [5], "norm": "batch"}
    layer = started(Wrapped(f"{HERE}:Trunk", arguments, (7,), "trunk", lifted=lifted), 2)
    layer.forward(batch(2, 6, 7), training(2))  # moves the statistics
    x, before = batch(2, 1, 7, seed=2), layer.buffers["1.running_mean"].tensor.clone()
    found = layer.forward(x, training(2)).tensor.clone()
    assert layer.backward(batch(2, 1, 5)) is not None
    assert torch.equal(layer.buffers["1.running_mean"].tensor, before)
    close(found, layer.forward(x, Pass({})).tensor)


def test_initial_values_are_the_modules_own_and_depend_on_the_stream_alone() -> None:
    layer = Wrapped("torch.nn:Linear", {"in_features": 16, "out_features": 300}, (16,), "trunk")
    state = torch.get_rng_state()
    drawn, again, other = (layer.initial(Stream(0, name)) for name in ("seed/0", "seed/0", "seed/1"))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(drawn["weight"], again["weight"])
    assert not torch.equal(drawn["weight"], other["weight"])
    assert 0.24 < drawn["weight"].abs().max() <= 0.25


def test_lazy_modules_know_their_sizes_from_the_rows() -> None:
    layer = Wrapped("torch.nn:LazyLinear", {"out_features": 3}, (11,), "trunk")
    assert {name: it.shape for name, it in layer.parameters().items()} == {"weight": (3, 11), "bias": (3,)}
    assert layer.initial(Stream(0, "a"))["weight"].shape == (3, 11)


@pytest.mark.parametrize(
    ("path", "arguments", "shape", "message"),
    [
        ("tests.model.modules:Missing", {}, (7,), "no module at 'tests.model.modules:Missing'"),
        ("missing.module:Net", {}, (7,), "there is no module 'missing.module'"),
        ("torch.nn:Linear", {"inputs": 7}, (7,), "cannot be made with {'inputs': 7}"),
        (f"{HERE}:Nothing", {}, (7,), "is a class, .*Nothing: it should be a class derived from torch.nn.modules"),
        (f"{HERE}:function", {}, (7,), "is a function, .*: it should be a class derived from torch.nn.modules"),
        (f"{HERE}:functional", {}, (7,), "is a module, not defined in 'tests'"),
        ("torch.hub:load", {"repo_or_dir": "a/b"}, (7,), "is a function, torch.hub.load: it should be a class"),
        ("torch:load", {"f": "a"}, (7,), "is a function"),
        ("os:system", {"command": "true"}, (7,), "is of Python's standard library"),
        ("builtins:eval", {}, (7,), "is of Python's standard library"),
        ("test.support:Net", {}, (7,), "is of Python's standard library"),
        ("torch.nn:Linear", {"in_features": 7, "out_features": 2}, (8,), r"should take rows of shape \(8,\)"),
        (f"{HERE}:Pair", {}, (5, 6), "answer one tensor, not a tuple"),
        ("torch.nn:Flatten", {"start_dim": 0}, (7,), r"a row a row, not torch.float32 of shape \(14,\)"),
        (f"{HERE}:Coded", {}, (7,), "buffer 'code'"),
    ],
)
def test_a_module_that_cannot_be_a_layer_is_refused(
    path: str, arguments: dict[str, Any], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Wrapped(path, arguments, shape, "trunk")


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("text:Recurrent", {"kind": "lstm", "ids": 10, "embedding": 8, "widths": [65_536] * 8}),
        ("text:Recurrent", {"kind": "gru", "ids": 10, "embedding": 8, "widths": [8192] * 1024}),
        ("text:Transformer", {"ids": 10, "embedding": 65_536, "heads": 4, "widths": [65_536] * 8}),
        ("text:Transformer", {"ids": 10_000_000, "embedding": 65_536, "heads": 4, "widths": [8]}),
        ("dcn_v2:CrossNetwork", {"features": 65_536, "crosses": 1024, "widths": [65_536]}),
    ],
)
def test_a_module_that_does_not_fit_is_counted_and_not_made(module: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(Failure, match=r"^a network needs more than .* GiB of memory .*: choose smaller widths"):
        Wrapped(f"pipeline.model.modules.{module}", arguments, (8,), "trunk")
