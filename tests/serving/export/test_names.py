"""Names of sources and columns that exporters, or the other names of a file, have no room for."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.config import Experiment, with_values
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, open_prepared
from pipeline.data.sources import Place
from pipeline.serving.export.export import opened, write_onnx, write_torch
from pipeline.serving.open_model import open_model
from tests.serving.packages import experiment, frame, log, rows, save

ort = pytest.importorskip("onnxruntime")

NAMES = ["it's b", "it_s b", 'say "x"', "a/code", "a/code_"]  # of numbers; `a` is a category


@pytest.fixture
def table(tmp_path: Path) -> tuple[Prepared, pd.DataFrame]:
    draws = np.random.default_rng(5)
    given = pd.DataFrame(draws.normal(size=(60, len(NAMES))).round(3), columns=NAMES)
    given["a"] = draws.choice(["x", "y", "z"], 60)
    given.assign(price=draws.normal(size=60)).to_csv(tmp_path / "rows.csv", index=False)
    inputs = dict.fromkeys(NAMES, "numeric") | {"a": "categorical"}
    like = Experiment.model_validate(
        {
            "name": "toy",
            "sources": {"s": {"kind": "table", "path": "rows.csv", "inputs": inputs}},
            "tasks": {"price": {"kind": "regression", "source": "s"}},
        }
    )
    (tmp_path / "out").mkdir()
    prepare(like, Place("sample", tmp_path, None, tmp_path, tmp_path), tmp_path / "out", lambda line: None)
    return open_prepared(tmp_path / "out"), given


def test_columns_may_have_quotes_and_the_names_of_codes(
    client: mlflow.MlflowClient, table: tuple[Prepared, pd.DataFrame], tmp_path: Path
) -> None:
    prepared, given = table
    (tmp_path / "s").mkdir()
    like = experiment(prepared, trunk={"kind": "tabular", "widths": [6]})
    uri = log(client, save(tmp_path / "s", like, prepared))
    wanted = open_model(uri).predict(given)["price/value"].to_numpy()
    found = opened(uri)
    write_onnx(found, tmp_path / "m.onnx")
    write_torch(found, tmp_path / "m.pt2")

    session = ort.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    assert {it.name for it in session.get_inputs()} == {f"s/{name}" for name in (*NAMES, "a")}
    feed = {f"s/{name}": given[name].to_numpy(object if name == "a" else float) for name in given}
    (value,) = session.run(["price/value"], feed)
    np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-5)

    extra = {"inputs": ""}
    program = torch.export.load(tmp_path / "m.pt2", extra_files=extra).module()
    inputs = json.loads(extra["inputs"])
    assert {it["name"]: it["key"] for it in inputs if it["name"] != it["key"]} == {
        "s/it's b": "s/it_s b_",
        's/say "x"': "s/say _x_",
    }
    tensors = {}
    for it in inputs:
        own = given[it["name"].removeprefix("s/")]
        values = [it["values"].index(text) + 1 for text in own] if "values" in it else own.tolist()
        tensors[it["key"]] = torch.tensor(values, dtype=torch.int64 if "values" in it else torch.float64)
    np.testing.assert_allclose(program(tensors)["price/value"], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("asked", [False, True])
def test_a_source_may_be_called_preference(asked: bool, client: mlflow.MlflowClient, tmp_path: Path) -> None:
    prepared = Prepared(
        Path(),
        {"preference": PreparedSource((2, 3), 255.0, {})},
        {
            "parity": PreparedTask("binary", "preference", ("even", "odd")),
            "price": PreparedTask("regression", "preference", (), mean=250.0, std=20.0),
        },
    )
    like = with_values(experiment(prepared), {"balancing.method": "cosmos"} if asked else {})
    (tmp_path / "s").mkdir()
    uri = log(client, save(tmp_path / "s", like, prepared))
    found = opened(uri)
    write_onnx(found, tmp_path / "m.onnx")
    write_torch(found, tmp_path / "m.pt2")
    session = ort.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    assert [it.name for it in session.get_overridable_initializers()] == ["preference/shares"] * asked
    pixels, shares = rows(5), [0.25, 0.75]
    feed = {"preference": pixels.reshape(5, 2, 3).astype(np.float32)}
    feed |= {"preference/shares": np.array(shares, np.float32)} if asked else {}
    wanted = open_model(uri).predict(frame(pixels), params={"preference": shares} if asked else {})
    (value,) = session.run(["price/value"], feed)
    np.testing.assert_allclose(value, wanted["price/value"], rtol=1e-5)
    answers = torch.export.load(tmp_path / "m.pt2").module()({name: torch.from_numpy(it) for name, it in feed.items()})
    np.testing.assert_allclose(answers["price/value"], wanted["price/value"], rtol=1e-5)
