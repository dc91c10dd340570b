"""Predict says in one line which columns hold more values than usual that training never saw."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from pipeline.config import Experiment
from pipeline.data.prepare import prepare
from pipeline.data.prepared import open_prepared
from pipeline.data.sources import Place
from pipeline.steps.predict import predict
from tests.serving.packages import experiment, log, save


@pytest.fixture(scope="module")
def uri(client: mlflow.MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that tells two towns apart; a tenth of the training rows are of others. All floors are known."""
    folder = tmp_path_factory.mktemp("made")
    towns = [*["Bern"] * 5, *["Oslo"] * 4, "Lima"] * 40
    split = ["train"] * 380 + ["validation"] * 10 + ["test"] * 10
    frame = pd.DataFrame({"town": towns, "floor": [1, 2] * 200, "v": np.arange(400.0), "split": split})
    frame.to_csv(folder / "rows.csv", index=False)
    inputs = {"town": "categorical", "floor": "categorical"}
    source = {"kind": "table", "path": "rows.csv", "inputs": inputs, "categories": 2, "split": "split"}
    like = Experiment.model_validate(
        {"name": "toy", "sources": {"s": source}, "tasks": {"v": {"kind": "regression", "source": "s"}}}
    )
    (folder / "out").mkdir()
    prepare(like, Place("sample", folder, None, folder, folder), folder / "out", lambda line: None)
    made = open_prepared(folder / "out")
    assert [it["rare"] for it in made.sources["s"].encoding["columns"]] == [pytest.approx(0.1), 0.0]
    return log(client, save(folder / "out", experiment(made), made))


TOWNS = ["Bern"] * 9 + ["Lima"]


@pytest.mark.parametrize(
    ("towns", "floors", "told"),
    [
        (TOWNS, ["1", "2.0", "", "1", "2", "1", "2", "1", "2", "1"], None),
        ([*TOWNS[1:], ""], ["1"] * 10, "11.11% of column 'town' (10.00% in training), such as 'Lima'"),
        (TOWNS, ["1"] * 9 + ["3"], "10.00% of column 'floor' (0.00% in training), such as '3'"),
        (
            ["Roma"] * 10,
            ["1"] * 9 + ["x\ty"],
            "100.00% of column 'town' (10.00% in training), such as 'Roma'; "
            "10.00% of column 'floor' (0.00% in training), such as 'x\\ty'",
        ),
    ],
)
@pytest.mark.parametrize("name", ["new.csv", "new.parquet"])
def test_unseen_values_are_told_where_they_are_more_than_in_training(
    uri: str, tmp_path: Path, towns: list[str], floors: list[str], told: str | None, name: str
) -> None:
    new = pd.DataFrame({"town": towns, "floor": floors})
    new.to_csv(tmp_path / name, index=False) if name == "new.csv" else new.to_parquet(tmp_path / name, index=False)
    warnings: list[str] = []
    predict(uri, tmp_path / name, tmp_path / "out.csv", warn=warnings.append)
    assert warnings == ([f"{tmp_path / name}: values that the model does not know: {told}"] if told else [])
