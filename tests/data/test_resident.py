"""Batches gathered on the device that trains are those of the host, step for step."""

from pathlib import Path

import pytest
import torch

from pipeline.data.batches import Batches
from pipeline.data.resident import ResidentBatches
from pipeline.draws import Stream
from tests.training.made import MIXED, random_data

APART, SHARED = [Stream(0, f"seed/{k}") for k in range(3)], [Stream(0, "study")] * 3


@pytest.mark.parametrize("mix", ["longest", "shortest", "proportional"])
@pytest.mark.parametrize("streams", [APART, SHARED], ids=["own", "shared"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_resident_batches_equal_those_of_the_host(
    mix: str, streams: list[Stream], missing: float, tmp_path: Path
) -> None:
    prepared = random_data(tmp_path, MIXED, rows={"left": 301, "right": 40}, missing=dict.fromkeys(MIXED, missing))
    split = [prepared.split("train")]
    balance = {"parity": torch.tensor([[0.5, 3.0]]), "marks": torch.tensor([[[0.5] * 4, [2.0] * 4]])}
    here = Batches(prepared, split, 7, mix, balance)
    there = ResidentBatches(prepared, split, 7, mix, "cpu", balance)
    assert there.steps == here.steps > 2
    for epoch in range(2):
        count = 0
        for wanted, sizes in zip(here.epoch(streams, epoch), there.epoch(streams, epoch), strict=True):
            found = there.batch(sizes)
            there.clock.add_(1)
            count += 1
            for source in wanted.inputs:
                assert torch.equal(found.inputs[source], wanted.inputs[source])
            for task, targets in wanted.targets.items():
                for name in ("values", "labelled", "share"):
                    assert torch.equal(getattr(found.targets[task], name), getattr(targets, name))
        assert count == here.steps
