"""Both ways of testing are prepared and trained on one made-up table."""

from pathlib import Path

import pytest

from benchmarks import outer_folds
from pipeline.config import with_values
from pipeline.data.prepared import open_prepared
from pipeline.training.slot import seed_slots
from pipeline.training.stack.layout import shapes


@pytest.mark.parametrize("side", outer_folds.SIDES)
def test_both_train_ten_networks_that_can_share_a_stack(side: str, tmp_path: Path) -> None:
    drafted = outer_folds._drafted(344, tmp_path)
    (arrays := tmp_path / "arrays").mkdir()
    experiment = with_values(drafted, outer_folds.SIDES[side])
    outer_folds._prepare(experiment, tmp_path, arrays)
    prepared = open_prepared(arrays)
    slots = seed_slots(experiment, prepared)
    assert len(slots) == outer_folds.NETWORKS
    assert len({slot.replicate for slot in slots}) == (1 if side == "one split" else 10)
    assert len(set(shapes(prepared, slots))) == 1


def test_what_they_cost_is_told_for_preparing_and_for_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outer_folds, "_train", lambda experiment, prepared: None)
    seconds = iter([1.0, 1.0, 1.0, 1.0, 2.0, 8.0, 1.0, 4.0])
    monkeypatch.setattr(outer_folds, "_user_s", lambda work: work() or next(seconds))
    found = outer_folds._compared(150, pairs=1)
    assert [(row["what"], row["rows"]) for row in found] == [("prepare", 150), ("train", 150)]
    assert [row["ratio"] for row in found] == [0.5, 0.5]
