import math

import pytest
import torch
from torch import Tensor

from pipeline.draws import Stream
from pipeline.model.layers import Dropout, Pass
from pipeline.stacked import Stacked
from tests.model.bound import batch, bound, training


def ones(slots: int, rows: int = 128, width: int = 128) -> Stacked:
    return Stacked(torch.ones(slots, rows, width))


def mask(layer: Dropout, this: Pass) -> Tensor:
    return bound(layer, len(layer.rates)).forward(ones(len(layer.rates)), this).tensor.clone()


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.5, 0.7])
def test_dropout_drops_the_share_it_is_given(rate: float) -> None:
    drawn = torch.stack([mask(Dropout([rate], "a"), training(step=step))[0] for step in range(20)])
    units = drawn.numel()
    spread = math.sqrt(rate * (1 - rate) / units)
    assert abs((drawn == 0).double().mean().item() - rate) < 4 * spread + 2**-16


def test_dropout_scales_what_it_keeps_so_that_the_mean_stays() -> None:
    drawn = mask(Dropout([0.5, 0.25], "a"), training(2))
    assert set(drawn[0].unique().tolist()) == {0.0, 2.0}
    assert drawn[1].max().item() == pytest.approx(1 / 0.75)
    assert drawn[1].mean().item() == pytest.approx(1.0, abs=0.02)


def test_units_are_dropped_independently() -> None:
    drawn = (mask(Dropout([0.5], "a"), training())[0] == 0).double()
    for other in (drawn.roll(1, 0), drawn.roll(1, 1), drawn.T):
        correlation = torch.corrcoef(torch.stack([drawn.flatten(), other.flatten()]))[0, 1].item()
        assert abs(correlation) < 4 / math.sqrt(drawn.numel())


def test_dropout_when_evaluating_is_the_identity() -> None:
    layer, x = bound(Dropout([0.5], "a"), 1), ones(1)
    assert layer.forward(x, Pass({})) is x
    assert layer.backward(x) is x


def test_backward_drops_what_forward_dropped() -> None:
    layer = bound(Dropout([0.5, 0.2], "a"), 2)
    y = layer.forward(ones(2), training(2)).tensor
    assert torch.equal(layer.backward(ones(2)).tensor, y)


def test_a_slot_without_dropout_passes_untouched_beside_one_that_has_it() -> None:
    layer, x = bound(Dropout([0.0, 0.5], "a"), 2), batch(2, 7, 37)
    y = layer.forward(x, training(2))
    assert torch.equal(y.slots[0], x.slots[0])
    assert not torch.equal(y.slots[1], x.slots[1])


def test_mask_of_a_slot_is_a_function_of_stream_epoch_step_and_layer_alone() -> None:
    mine = Stream(0, "seed/3")
    alone = mask(Dropout([0.4], "a"), Pass({}, [mine], 2, 5))[0]
    beside = mask(Dropout([0.1, 0.4, 0.0], "a"), Pass({}, [Stream(0, "x"), mine, Stream(0, "y")], 2, 5))[1]
    assert torch.equal(alone, beside)
    others = [
        mask(Dropout([0.4], "a"), Pass({}, [Stream(0, "seed/4")], 2, 5)),
        mask(Dropout([0.4], "a"), Pass({}, [Stream(1, "seed/3")], 2, 5)),
        mask(Dropout([0.4], "a"), Pass({}, [mine], 3, 5)),
        mask(Dropout([0.4], "a"), Pass({}, [mine], 2, 6)),
        mask(Dropout([0.4], "b"), Pass({}, [mine], 2, 5)),
    ]
    assert not any(torch.equal(alone, other[0]) for other in others)


def test_rate_just_below_one_keeps_next_to_nothing_and_stays_finite() -> None:
    drawn = mask(Dropout([1 - 1e-9], "a"), training())
    assert (drawn == 0).double().mean().item() > 0.999
    assert drawn.isfinite().all()
