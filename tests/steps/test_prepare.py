"""What the key of the prepared data depends on, and what is said of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config import Experiment, with_values
from pipeline.steps.prepare import Prepare
from pipeline.steps.train import Train
from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import Headway


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


def test_where_every_row_tests_the_run_and_the_console_say_so(project: Path, headway: Headway) -> None:
    draws = np.random.default_rng(0)
    area = draws.normal(size=60).round(3)
    area[[7, 20]] = area[3]
    pd.DataFrame({"area": area, "price": draws.normal(size=60).round(3)}).to_csv(project / "own.csv", index=False)
    (project / "experiments" / "it.yaml").write_text(
        "sources: {own: {kind: table, path: own.csv, inputs: {area: numeric}}}\n"
        "tasks: {price: {kind: regression, source: own}}\n"
    )
    done = headway("prepare", "it")
    assert done.code == 0, done.err
    rows = "43 train, 5 validation, 12 test"
    assert f"  every row tests: 5 folds x 2; rows of a replicate: own {rows}\n" in done.out
    same = "own: 3 rows have the very inputs of another row: where one tests, no such row trains"
    assert f"  {same}\n" in done.out
    run = next(it for it in Tracker(project, "it").runs() if it.info.run_name == "prepare")
    assert run.data.tags[tags.NOTES].endswith(same)
    counted = {name: value for name, value in run.data.metrics.items() if name.endswith("/rows")}
    assert counted == {"train/price/rows": 54.0, "validation/price/rows": 6.0, "test/price/rows": 60.0}
    given = {it.dataset.name: it.dataset.digest for it in run.inputs.dataset_inputs}
    assert {*given} == {"own.train", "own.validation", "own.test"}
    assert len({*given.values()}) == 3
    assert (
        f"own: rows of 1 divided by 1; 54 train, 6 validation; 10 replicates of {rows}"
        in headway("show", "it", "--data").out
    )
    once = headway("prepare", "it", "--set", "data.test.folds=16")
    assert (once.code, once.out.count("every row tests")) == (2, 0)
    assert once.err == (
        "headway: data.test.folds=16: source 'own' has 60 rows, and a fold needs 4: lower data.test.folds to 15, or "
        "give data.test a share, such as 0.2\n"
    )
