"""The programs of docs/export.md read a table of every kind of column as the served model does."""

import re
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from pipeline.config import Experiment
from pipeline.data.prepare import prepare
from pipeline.data.prepared import open_prepared
from pipeline.data.sources import Place
from pipeline.serving.export.export import opened, write_onnx, write_torch
from pipeline.serving.open_model import open_model
from tests.conftest import REPOSITORY
from tests.serving.packages import experiment, log, save

pytest.importorskip("onnxruntime")

ROWS = 60
COLUMNS = {
    "area": ("numeric", ["1.5", "-20", "", "7e2", "?"]),
    "garden": ("numeric", ["true", "false"]),
    "owner": ("categorical", ["True", "False", ""]),
    "smoker": ("categorical", ["true", "false"]),
    "level": ("categorical", ["1", "2", "10", ""]),
    "rate": ("categorical", ["0.1", "2.5", "1e20", "1.0"]),
    "zip": ("categorical", ["01067", "10115", "80331"]),
    "town": ("categorical", ["Bern", "NA", "say so", ""]),
    "day": ("categorical", ["2024-01-05", "2024-01-06", ""]),
    "built": ("date", ["1950-01-31", "2024-01-05", ""]),
    "seen": ("date", ["2024-02-29 23:59:58.5", "2023-01-01", "2023-01-01T10:00:00+02:00", "?"]),
}


@pytest.mark.slow
def test_the_programs_answer_what_the_served_model_answers(
    client: mlflow.MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = np.random.default_rng(2)
    rows = pd.DataFrame({name: draws.choice(np.array(values, object), ROWS) for name, (_, values) in COLUMNS.items()})
    rows.assign(species=draws.choice(["a", "b", "c"], ROWS)).to_csv(tmp_path / "rows.csv", index=False)
    rows.to_csv(tmp_path / "new.csv", index=False)
    inputs = {name: kind for name, (kind, _) in COLUMNS.items()}
    source = {"kind": "table", "path": "rows.csv", "inputs": inputs, "missing": ["?"]}
    tasks = {"species": {"kind": "multiclass", "source": "iris"}}
    like = Experiment.model_validate({"name": "toy", "sources": {"iris": source}, "tasks": tasks})
    for name in ("out", "saved"):
        (tmp_path / name).mkdir()
    prepare(like, Place("sample", tmp_path, None, tmp_path, tmp_path), tmp_path / "out", lambda line: None)
    prepared = open_prepared(tmp_path / "out")
    network = experiment(prepared, trunk={"kind": "tabular", "widths": [6]})
    uri = log(client, save(tmp_path / "saved", network, prepared))
    wanted = open_model(uri).predict(rows)
    found = opened(uri)
    write_onnx(found, tmp_path / "iris.onnx")
    write_torch(found, tmp_path / "iris.pt2")

    monkeypatch.chdir(tmp_path)
    programs = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "export.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    chances = wanted.filter(like="species/probability/").to_numpy()
    for program in programs[:2]:
        exec(program, names)
        np.testing.assert_allclose(np.asarray(names["answers"]["species/probability"]), chances, rtol=1e-5, atol=1e-5)
    assert len(np.unique(chances.round(4), axis=0)) > ROWS // 2
