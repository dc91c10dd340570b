"""What is dropped is drawn for the whole batch, whatever parts of it pass by themselves."""

from dataclasses import replace

import pytest
import torch

from pipeline.data.chunks import part
from pipeline.model.layers import Dropout, Pass
from pipeline.model.layers.wrapped import Wrapped
from pipeline.stacked import Cut, On, Stacked
from tests.model.bound import bound, training

COUNTS = {"left": 11, "right": 6}
WHOLE = {"left": slice(0, 11), "right": slice(11, 17)}


def cut(number: int, parts: int = 4) -> tuple[Cut, dict[str, slice]]:
    rows = {source: part(count, number, parts) for source, count in COUNTS.items()}
    left, right = (it.stop - it.start for it in rows.values())
    return Cut(number, rows, COUNTS), {"left": slice(0, left), "right": slice(left, left + right)}


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("times", [1, 3])
def test_parts_drop_what_the_whole_batch_drops(batched: bool, times: int) -> None:
    layer = Dropout([0.5, 0.0, 0.2], "a")
    layer.bind({}, {}, {}, On("cpu", batched=batched))
    this = replace(training(3, step=5), clock=torch.tensor([5]))
    assert this.streams is not None
    layer.begin(this.streams, this.epoch)

    def mask(rows: dict[str, slice], part_of: Cut | None) -> torch.Tensor:
        count = sum(it.stop - it.start for it in rows.values())
        given = Stacked(torch.ones(3, count * times, 5))
        return layer.forward(given, replace(this, rows=rows, cut=part_of)).tensor.clone().unflatten(1, (-1, times))

    whole = mask(WHOLE, None)
    for _ in range(2):
        for number in range(4):
            mine, rows = cut(number)
            found = mask(rows, mine)
            assert torch.equal(found[:, rows["left"]], whole[:, :11][:, mine.rows["left"]])
            assert torch.equal(found[:, rows["right"]], whole[:, 11:][:, mine.rows["right"]])
    alone = replace(this, rows={"right": slice(0, 6)})
    part_alone = replace(this, rows={"right": slice(0, 3)}, cut=cut(1, 2)[0])
    own = layer.forward(Stacked(torch.ones(3, 6, 5)), alone).tensor.clone()
    assert torch.equal(layer.forward(Stacked(torch.ones(3, 3, 5)), part_alone).tensor, own[:, 3:])


@pytest.mark.parametrize("batched", [False, True])
def test_rows_that_are_not_known_are_drawn_for_part_by_part(batched: bool) -> None:
    layer = Dropout([0.5], "a")
    layer.bind({}, {}, {}, On("cpu", batched=batched))
    this = replace(training(step=5), rows={"left": slice(0, 4)}, clock=torch.tensor([5]))
    assert this.streams is not None
    layer.begin(this.streams, this.epoch)
    found = [
        layer.forward(Stacked(torch.ones(1, 4, 64)), replace(this, cut=Cut(number))).tensor.clone()
        for number in (0, 1, 0)
    ]
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize("lifted", [False, True])
def test_the_dropout_of_a_module_is_that_of_the_whole_batch(lifted: bool) -> None:
    settings = {"inputs": 6, "widths": [32], "dropout": 0.5}
    layer = bound(Wrapped("tests.model.modules:Trunk", settings, (6,), "own", lifted=lifted), 2)
    this = training(2, step=1)
    x = torch.ones(2, 11, 6)
    rows = {"left": slice(0, 11)}
    whole = layer.forward(Stacked(x), replace(this, rows=rows)).tensor.clone()
    found = []
    for number in range(4):
        here = part(11, number, 4)
        own = Cut(number, {"left": here}, {"left": 11})
        passed = replace(this, rows={"left": slice(0, here.stop - here.start)}, cut=own)
        found.append(layer.forward(Stacked(x[:, here].contiguous()), passed).tensor.clone())
    assert torch.equal(torch.cat(found, 1) > 0, whole > 0)
    assert 0.1 < (whole > 0).double().mean() < 0.4


def test_what_a_module_draws_itself_differs_from_part_to_part() -> None:
    layer = Wrapped("torch.nn:RReLU", {}, (6,), "own")
    layer.bind({}, {}, {})
    this: Pass = replace(training(step=1), rows={"left": slice(0, 4)})
    x = Stacked(-torch.ones(1, 4, 6))
    found = [layer.forward(x, replace(this, cut=Cut(number))).tensor.clone() for number in (0, 1, 0)]
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
