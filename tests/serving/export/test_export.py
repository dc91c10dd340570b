"""Exported models answer what the served ones answer, in programs that know nothing of Headway."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.config import with_values
from pipeline.data.encodings.dates import seconds_of
from pipeline.data.encodings.hashed_words import hashed_rows
from pipeline.data.encodings.values import spelled, to_number
from pipeline.errors import Failure
from pipeline.serving.export.export import Exported, opened, write_onnx, write_torch
from pipeline.serving.open_model import open_model
from tests.serving import test_formats as tables
from tests.serving.packages import PREPARED, SLOTS, experiment, frame, log, rows, save
from tests.serving.test_served_trunks import IMAGES

ort = pytest.importorskip("onnxruntime")

WANTED_TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


class Made(NamedTuple):
    """A logged model and its two files."""

    uri: str
    onnx: Path
    pt2: Path
    done: Exported


def made(uri: str, folder: Path) -> Made:
    found = opened(uri)
    done = write_onnx(found, folder / "m.onnx")
    write_torch(found, folder / "m.pt2")
    assert sorted(it.name for it in folder.iterdir()) == ["m.onnx", "m.pt2"]
    return Made(uri, folder / "m.onnx", folder / "m.pt2", done)


@pytest.fixture(scope="module")
def pixels(client: mlflow.MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two sources, four kinds of task, and a preference among all."""
    like = with_values(experiment(), {"balancing.method": "cosmos"})
    return made(log(client, save(tmp_path_factory.mktemp("s"), like)), tmp_path_factory.mktemp("pixels"))


@pytest.fixture(scope="module")
def table(client: mlflow.MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A table with every kind of column and type of category."""
    prepared = tables.made(tmp_path_factory.mktemp("made"), "rows.parquet")
    like = experiment(prepared, trunk={"kind": "tabular", "widths": [6]})
    return made(
        log(client, save(tmp_path_factory.mktemp("s"), like, prepared, spread=0.3)), tmp_path_factory.mktemp("table")
    )


def session(path: Path) -> Any:
    return ort.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def ran(path: Path, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if path.suffix == ".pt2":
        tensors = {name: torch.from_numpy(it) for name, it in feed.items()}
        return {name: it.numpy() for name, it in torch.export.load(path).module()(tensors).items()}
    runs = session(path)
    names = [it.name for it in runs.get_outputs()]
    return dict(zip(names, runs.run(names, feed), strict=True))


def shapes(nodes: list[Any]) -> dict[str, tuple[str, list[int | str]]]:
    return {it.name: (it.type, it.shape) for it in nodes}


def test_inputs_and_outputs_are_named_and_rows_of_each_source_counted_apart(pixels: Made) -> None:
    runs = session(pixels.onnx)
    assert shapes(runs.get_inputs()) == {
        "other": ("tensor(float)", ["other_rows", 2, 3]),
        "plain": ("tensor(float)", ["plain_rows", 2, 3]),
    }
    assert shapes(runs.get_overridable_initializers()) == {"preference": ("tensor(float)", [5])}
    assert shapes(runs.get_outputs()) == {
        "colour/label": ("tensor(int64)", ["plain_rows"]),
        "colour/class": ("tensor(string)", ["plain_rows"]),
        "colour/probability": ("tensor(float)", ["plain_rows", 3]),
        "kind/label": ("tensor(int64)", ["other_rows"]),
        "kind/class": ("tensor(string)", ["other_rows"]),
        "kind/probability": ("tensor(float)", ["other_rows", 4]),
        "marks/label": ("tensor(int64)", ["other_rows", 3]),
        "marks/probability": ("tensor(float)", ["other_rows", 3]),
        "parity/label": ("tensor(int64)", ["plain_rows"]),
        "parity/class": ("tensor(string)", ["plain_rows"]),
        "parity/probability": ("tensor(float)", ["plain_rows", 2]),
        "price/value": ("tensor(double)", ["plain_rows"]),
    }


@pytest.mark.parametrize("form", ["onnx", "pt2"])
@pytest.mark.parametrize("shares", [None, [0.5, 0.0, 0.0, 0.0, 1.5]])
def test_pixels_are_answered_as_served(pixels: Made, form: str, shares: list[float] | None) -> None:
    plain, other = rows(7), rows(1, seed=1)
    path = getattr(pixels, form)
    own = shares or ([0.2] * 5 if form == "pt2" else None)
    feed = {"plain": plain.reshape(7, 2, 3).astype(np.float32), "other": other.reshape(1, 2, 3).astype(np.float32)}
    found = ran(path, feed | ({"preference": np.array(own, np.float32)} if own else {}))
    params = {"preference": shares} if shares else {}
    model = open_model(pixels.uri)
    for given, tasks in ((plain, ["colour", "parity"]), (other, ["kind"])):
        wanted = model.predict(frame(given), params=params)
        for task in tasks:
            chances = wanted.filter(like=f"{task}/probability/").to_numpy()
            np.testing.assert_allclose(found[f"{task}/probability"], chances, **WANTED_TOLERANCE)
            assert (found[f"{task}/label"] == chances.argmax(1)).all()
            if form == "onnx":
                named = [PREPARED.tasks[task].classes[place] for place in chances.argmax(1)]
                assert found[f"{task}/class"].tolist() == named
    of_plain, of_other = (model.predict(frame(it), params=params) for it in (plain, other))
    np.testing.assert_allclose(found["price/value"], of_plain["price/value"], **WANTED_TOLERANCE)
    np.testing.assert_array_equal(found["marks/label"], of_other.filter(like="marks/label/"))


def columns() -> dict[str, np.ndarray]:
    """New rows as docs/export.md says that they are given."""
    given = tables.frame(tables.NEW).astype(object)
    feed: dict[str, np.ndarray] = {}
    for name in given:
        kind, values = tables.KINDS.get(name, "categorical"), [None if pd.isna(it) else it for it in given[name]]
        if kind == "numeric":
            feed[f"s/{name}"] = np.array(
                [np.nan if it is None else float(to_number(spelled(it)) or 0) for it in values]
            )
        elif kind == "date":
            feed[f"s/{name}"] = np.array([np.nan if it is None else seconds_of(str(it)) for it in values], float)
        elif kind == "text":
            feed[f"s/{name}"] = hashed_rows([it or "" for it in values], np.arange(len(values)), 64).astype(np.float32)
        else:
            feed[f"s/{name}"] = np.array(["" if it is None else spelled(it) for it in values], object)
    return feed


def test_a_table_is_answered_as_served_with_categories_as_text(table: Made) -> None:
    feed = columns() | {"s/mixed": np.array(["1", ""] * 20, object)}  # a frame's 1.0 is no text of the column's
    found = ran(table.onnx, feed)
    wanted = open_model(table.uri).predict(tables.frame(tables.NEW))
    for task, names in tables.CLASSES.items():
        chances = wanted.filter(like=f"{task}/probability/").to_numpy()
        np.testing.assert_allclose(found[f"{task}/probability"], chances, **WANTED_TOLERANCE)
        assert found[f"{task}/class"].tolist() == [names[place] for place in chances.argmax(1)]
    np.testing.assert_allclose(found["price/value"], wanted["price/value"], rtol=1e-5)


def test_a_value_that_is_not_listed_is_unknown(table: Made) -> None:
    feed = columns()
    unknown, spelled_otherwise, gaps = (
        ran(table.onnx, feed | {"s/owner": np.array([it] * 40, object)})["sold/probability"] for it in ("?", "TRUE", "")
    )
    np.testing.assert_array_equal(unknown, gaps)
    np.testing.assert_array_equal(spelled_otherwise, gaps)
    known = ran(table.onnx, feed | {"s/owner": np.array(["true"] * 40, object)})["sold/probability"]
    assert not np.allclose(known, gaps)


def test_a_file_says_what_it_reads_and_answers(table: Made) -> None:
    told = session(table.onnx).get_modelmeta().custom_metadata_map
    inputs = {it["name"]: it for it in json.loads(told["inputs"])}
    assert inputs["s/level"] == {
        "name": "s/level", "key": "s/level", "kind": "categorical", "shape": [], "source": "s",
        "values": ["1", "2", "10"],
    }  # fmt: skip
    assert inputs["s/remarks"]["shape"] == [64]
    assert {name: it["classes"] for name, it in json.loads(told["tasks"]).items() if it["classes"]} == {
        name: list(names) for name, names in tables.CLASSES.items()
    }
    assert (told["model"], told["model_id"]) == (table.uri, table.uri.removeprefix("models:/"))
    assert told["headway_version"]
    extra = dict.fromkeys(told, "")
    torch.export.load(table.pt2, extra_files=extra)
    assert extra == told


def test_a_file_whose_answers_differ_is_not_kept(
    client: mlflow.MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s").mkdir()
    found = opened(log(client, save(tmp_path / "s", experiment())))
    (tmp_path / "m.onnx").write_text("what was there")
    with torch.no_grad():
        next(found.program.layers.parameters()).add_(0.01)
    with pytest.raises(Failure, match=r"^task \w+: the exported model's answers differ .* no file was written$"):
        write_onnx(found, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_text() == "what was there"
    assert {it.name for it in tmp_path.iterdir()} == {"s", "m.onnx"}


OWN = """
from torch import nn

class Fickle(nn.Module):
    def forward(self, x):
        return x.flatten(1) if float(x.sum()) > 0 else -x.flatten(1)
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "own_fickle.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_fickle:Fickle"
    sys.modules.pop("own_fickle", None)


def test_what_cannot_be_exported_is_named(
    client: mlflow.MlflowClient, own_module: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s").mkdir()
    like = experiment(IMAGES, trunk={"kind": own_module})
    found = opened(log(client, save(tmp_path / "s", like, IMAGES), SLOTS[0]))
    capfd.readouterr()
    for write, name in ((write_onnx, "m.onnx"), (write_torch, "m.pt2")):
        with pytest.raises(Failure, match=r"layer 1 of the trunk, own_fickle:Fickle, cannot be exported: ") as error:
            write(found, tmp_path / name)
        assert "\n" not in str(error.value)
        assert "data-dependent" in str(error.value)
    assert capfd.readouterr() == ("", "")
    assert not [*tmp_path.glob("*m.*")]


class Bessel(torch.nn.Module):
    """Which torch.export takes, and ONNX has no operator for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


def test_only_the_layer_that_fails_is_named_with_the_innermost_cause(
    client: mlflow.MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s").mkdir()
    found = opened(log(client, save(tmp_path / "s", experiment())))
    layers = found.program.trunks[0].layers
    monkeypatch.setitem(layers._modules, "1", Bessel())
    with pytest.raises(Failure) as error:
        write_onnx(found, tmp_path / "m.onnx")
    begin = f"layer 2 of the trunk, {__name__}:Bessel, cannot be exported: "
    assert str(error.value).startswith(begin)
    assert "bessel_j0" in str(error.value).removeprefix(begin)
    assert str(error.value).isprintable()


def test_no_layer_is_named_that_fails_for_another_cause(
    client: mlflow.MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s").mkdir()
    found = opened(log(client, save(tmp_path / "s", experiment())))

    def forward(self: Any, inputs: Any) -> None:
        raise RuntimeError("advice") from ValueError("\n\x1b[96mno such\x1b[0m thing\nmore")

    monkeypatch.setattr(type(found.program), "forward", forward)
    monkeypatch.setitem(found.program.trunks[0].layers._modules, "0", Bessel())
    for write, name in ((write_onnx, "m.onnx"), (write_torch, "m.pt2")):
        with pytest.raises(Failure, match=r"^the model cannot be exported: no such thing$"):
            write(found, tmp_path / name)
