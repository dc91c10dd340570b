"""A batch in parts: every row is in one of them, with its own targets, in the batch's order."""

import pytest
import torch

from pipeline.data.batches import Batches
from pipeline.data.chunks import part
from pipeline.data.resident import ResidentBatches
from pipeline.draws import Stream
from pipeline.stacked import Cut, Targets
from tests.training.made import MIXED, random_data

STREAM = Stream(0, "data")


@pytest.mark.parametrize("rows", [0, 1, 3, 8, 63])
@pytest.mark.parametrize("parts", [1, 2, 4, 16])
def test_parts_are_neighbours_of_almost_equal_size(rows: int, parts: int) -> None:
    found = [part(rows, number, parts) for number in range(parts)]
    assert [it.start for it in found] == [0, *(it.stop for it in found[:-1])]
    assert found[-1].stop == rows
    sizes = [it.stop - it.start for it in found]
    assert max(sizes) - min(sizes) <= 1


def test_the_first_half_of_the_parts_has_the_first_half_of_the_rows() -> None:
    for rows in range(40):
        assert part(rows, 3, 8).stop == part(rows, 0, 2).stop == rows // 2


@pytest.mark.parametrize("mix", ["longest", "proportional"])
@pytest.mark.parametrize("resident", [False, True])
def test_parts_put_together_are_the_batch(mix: str, resident: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    prepared = random_data(tmp_path_factory.mktemp("data"), MIXED, rows={"left": 23, "right": 6}, missing={"size": 0.4})
    splits = [prepared.split("train")]
    whole, cut = (Batches(prepared, splits, 7, mix) for _ in range(2))
    there = ResidentBatches(prepared, splits, 7, mix, "cpu")
    drawn = there.epoch([STREAM], 3) if resident else cut.chunked([STREAM], 3, 4)
    for batch, given in zip(whole.epoch([STREAM], 3), drawn, strict=True):
        chunked = there.chunked(given, 4) if resident else given
        cuts = [it for it in map(chunked.cut, range(4)) if it]
        inputs = [{source: chunked.inputs(it)[source].clone() for source in chunked.counts} for it in cuts]
        for source in batch.inputs:
            assert torch.equal(torch.cat([it[source] for it in inputs], 1), batch.inputs[source])
        targets = [chunked.targets_of(it) for it in cuts]
        for task, wanted in batch.targets.items():
            for name in ("values", "labelled", "share"):
                found = torch.cat([getattr(it[task], name) for it in targets], 1)
                assert torch.equal(found, getattr(wanted, name))
        there.clock.add_(1)


def test_a_part_without_rows_of_any_source_is_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    prepared = random_data(tmp_path_factory.mktemp("data"), rows=9)
    batches = Batches(prepared, [prepared.split("train")], 8, "longest")
    _, last = batches.chunked([STREAM], 0, 4)
    assert [last.cut(number) for number in range(3)] == [None] * 3
    assert last.cut(3) == Cut(3, {"left": slice(0, 1), "right": slice(0, 1)}, {"left": 1, "right": 1})


def test_tags_are_cut_between_rows_not_tokens() -> None:
    targets = Targets.of(torch.arange(12).view(1, 3, 4))
    assert targets.part(slice(1, 3), 3).values.tolist() == [list(range(4, 12))]
