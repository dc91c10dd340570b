import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.model.layers import Layer, embedded
from pipeline.model.layers.embedding import CategoryEmbedding, NumberEmbedding
from pipeline.stacked import HOST, On, Stacked, slotted
from tests.model.bound import batch, bound, training, vjp

NUMBERS, SIZES, WIDTH = 3, (4, 1, 17), 5
BEGINS = torch.tensor([0, 4, 5])


def table(slots: int, rows: int) -> Stacked:
    """Numbers, then codes."""
    draws = torch.Generator().manual_seed(3)
    x = slotted(slots, rows, NUMBERS + len(SIZES))
    x[..., :NUMBERS].normal_(generator=draws)
    for place, size in enumerate(SIZES):
        x[..., NUMBERS + place] = torch.randint(size, (slots, rows), generator=draws).float()
    return Stacked(x)


def looked_up(x: Tensor, weight: Tensor) -> Tensor:
    codes = x[:, NUMBERS:].detach().long() + BEGINS
    return torch.cat([x[:, :NUMBERS], functional.embedding(codes, weight).flatten(1)], 1)


def spread(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    vectors = torch.relu(x[:, :NUMBERS, None] * weight + bias)
    return torch.cat([vectors.flatten(1), x[:, NUMBERS:]], 1)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("slots", [1, 3])
def test_category_embedding_equals_torch(slots: int, shared: bool) -> None:
    layer = bound(CategoryEmbedding(NUMBERS, SIZES, WIDTH), slots)
    x, grad = table(1 if shared else slots, 11), batch(slots, 11, layer.outputs)
    y, back = layer.forward(x, training(slots)), layer.backward(grad)
    assert back is not None
    for k in range(slots):
        own = x.each(slots)[k]
        wanted, (dx, dweight) = vjp(looked_up, own, grad.slots[k], layer.values["weight"].slots[k])
        torch.testing.assert_close(y.slots[k], wanted)
        torch.testing.assert_close(layer.grads["weight"].slots[k], dweight)
        torch.testing.assert_close(back.slots[k], dx)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("slots", [1, 3])
def test_number_embedding_equals_torch(slots: int, shared: bool) -> None:
    layer = bound(NumberEmbedding(NUMBERS, len(SIZES), WIDTH), slots)
    x, grad = table(1 if shared else slots, 11), batch(slots, 11, layer.outputs)
    y = layer.forward(x, training(slots))
    layer.backward(grad)
    for k in range(slots):
        weight, bias = (layer.values[name].slots[k] for name in ("weight", "bias"))
        wanted, (_, dweight, dbias) = vjp(spread, x.each(slots)[k], grad.slots[k], weight, bias)
        torch.testing.assert_close(y.slots[k], wanted)
        torch.testing.assert_close(layer.grads["weight"].slots[k], dweight)
        torch.testing.assert_close(layer.grads["bias"].slots[k], dbias)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("make", [CategoryEmbedding, NumberEmbedding])
def test_batched_calls_agree_with_a_call_a_slot(make: type, shared: bool) -> None:
    found = []
    for batched in (False, True):
        layer: Layer = make(NUMBERS, SIZES, WIDTH) if make is CategoryEmbedding else make(NUMBERS, len(SIZES), WIDTH)
        bound(layer, 3)
        views = ({name: it.tensor for name, it in held.items()} for held in (layer.values, layer.grads, layer.buffers))
        layer.bind(*views, on=On(HOST.device, batched))
        y = layer.forward(table(1 if shared else 3, 11), training(3)).tensor.clone()
        layer.backward(batch(3, 11, y.size(2)))
        found.append([y, *(it.tensor for it in layer.grads.values())])
    torch.testing.assert_close(found[1], found[0])


def test_a_table_without_categories_needs_no_embedding() -> None:
    assert embedded(6, (), 8, None) == ([], 6)
    layers, width = embedded(6, (3, 4), 8, 2)
    assert [type(layer) for layer in layers] == [NumberEmbedding, CategoryEmbedding]
    assert width == 4 * 2 + 2 * 8
