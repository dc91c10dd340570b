"""Studies with several batches in flight, beside random search of the same seed."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import knowing_less
from benchmarks.knowing_less import ARMS, COLUMNS, compared, studies


def test_a_sampler_that_knows_no_trial_is_random_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowing_less, "VALUES", knowing_less.VALUES | {"training.epochs": 1})
    rows = pd.DataFrame(studies("digits", 3, 16, list(ARMS), tmp_path / "data"))
    assert tuple(rows.columns) == COLUMNS
    assert rows["best"].nunique() == 1  # the first ten trials are drawn, and the batch of 8 after them knows 8
    assert list(rows["epochs"]) == [16] * len(ARMS)


def test_gains_are_paired_by_seed() -> None:
    found = [("digits", seed, "random", 1, 0.5 + seed) for seed in (0, 1)]
    found += [("digits", seed, "tpe", 2, 0.5 + seed + gain) for seed, gain in ((0, 0.01), (1, 0.03))]
    rows = pd.DataFrame(found, columns=["experiment", "seed", "sampler", "in_flight", "best"])
    tpe = compared(rows).loc["digits", "tpe", 2]
    assert tpe["points"] == pytest.approx(2.0)
    assert tpe["error"] == pytest.approx(1.0)
    assert tpe["wins"] == 1.0
