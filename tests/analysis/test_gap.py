"""The gap between training and validation accuracy."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.analysis.gap import gaps
from pipeline.analysis.scores import score
from pipeline.config import with_values
from pipeline.data.test_split import TestSplit
from tests.analysis.made import candidate, experiment, prepared


def test_the_gap_is_that_of_the_scores_of_both_splits(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data")
    made = candidate(tmp_path / "models", data, experiment())
    train, validation = (score(made, TestSplit(data.split(name))) for name in ("train", "validation"))
    found = gaps(made)
    for task in ("side", "odd", "far"):
        per_seed = train[task].metrics["accuracy"] - validation[task].metrics["accuracy"]
        assert found[task]["gap"].mean == pytest.approx(per_seed.mean())
        assert found[task]["gap"].knows == "trainings"
        assert found[task]["train"].mean == pytest.approx(np.mean(train[task].metrics["accuracy"]))


def test_without_a_validation_split_there_is_no_gap(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data")
    blind = with_values(experiment(tuning=None), {"data.validation": 0.0, "training.early_stopping": None})
    assert gaps(candidate(tmp_path / "models", data, blind)) == {}
