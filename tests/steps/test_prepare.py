"""What the key of the prepared data depends on."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config import Experiment, with_values
from pipeline.steps.prepare import Prepare
from pipeline.steps.train import Train


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["area", "price"])
    frame.to_csv(tmp_path / "own.csv", index=False)
    return Experiment.model_validate(
        {
            "name": "it",
            "sources": {"own": {"kind": "table", "path": "own.csv", "inputs": {"area": "numeric"}}},
            "tasks": {"price": {"kind": "regression", "source": "own"}},
            "data": {"test": 0.2},
        }
    )


def keys(experiment: Experiment, project: Path) -> tuple[str, str]:
    """Of the prepare step, and of the train step behind it."""
    prepare = Prepare(experiment, project)
    return prepare.digest, Train(experiment, "default", prepare, "cpu").digest


@pytest.mark.parametrize(
    "values", [{"sources.own.clip": None}, {"sources.own.clip": [0.01, 0.99]}, {"tasks.price.clip": None}]
)
def test_other_clipping_is_other_data_and_another_network(
    values: dict[str, Any], experiment: Experiment, tmp_path: Path
) -> None:
    before, after = keys(experiment, tmp_path), keys(with_values(experiment, values), tmp_path)
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_clipping_said_as_it_is_by_default_is_the_same_data(experiment: Experiment, tmp_path: Path) -> None:
    said = with_values(experiment, {"sources.own.clip": [0.001, 0.999], "tasks.price.clip": "range"})
    assert keys(said, tmp_path) == keys(experiment, tmp_path)


def test_a_loss_is_another_network_on_the_same_data(experiment: Experiment, tmp_path: Path) -> None:
    before, after = keys(experiment, tmp_path), keys(with_values(experiment, {"tasks.price.loss": "huber"}), tmp_path)
    assert before[0] == after[0]
    assert before[1] != after[1]
