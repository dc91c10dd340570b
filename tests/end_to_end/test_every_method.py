"""Every balancing method trains every experiment whose number of tasks it admits, by configuration alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pipeline.config.balancing import Balancing
from tests.conftest import call_headway, make_project

pytestmark = pytest.mark.slow

SHORT = ("--set", "training.epochs=1", "--set", "training.seeds=1", "--set", "processes=1", "--json")
LEAST = {"krum": 3, "trimmed_mean": 3}
TASKS = {"digits": 3, "mnist_fashion": 2, "multi_mnist": 2}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project for this module."""
    with pytest.MonkeyPatch.context() as patch:
        yield make_project(tmp_path_factory.mktemp("methods") / "project", patch)


@pytest.mark.parametrize("experiment", TASKS)
@pytest.mark.parametrize("method", Balancing.choices)
def test_it_trains(method: str, experiment: str, place: Path) -> None:
    result = call_headway("train", experiment, "--set", f"balancing.method={method}", *SHORT)
    if LEAST.get(method, 2) > TASKS[experiment]:
        assert result.code == 2
        assert f"balancing.method '{method}' needs at least {LEAST[method]} tasks" in result.err
        assert len(result.err.strip().splitlines()) == 1
        return
    assert result.code == 0, result.err
    (train,) = (step for step in json.loads(result.out)["steps"] if step["step"] == "train default")
    history = pd.read_parquet(Path(train["outputs"]) / "history.parquet")
    assert list(history["status"]) == ["finished"]
    # Better than a guess after one epoch, whatever weighs the tasks.
    assert history["validation/all/objective"].iloc[0] > 0.25
