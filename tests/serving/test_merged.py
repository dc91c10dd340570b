"""One model of several networks answers every task as the task's own network does."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline.config.balancing import Balancing
from pipeline.data.prepared import Prepared, PreparedSource
from pipeline.serving.open_model import described, open_model
from pipeline.serving.rows import Rows
from pipeline.serving.slots import merged, one_slot
from pipeline.serving.specification import SourceSpec
from pipeline.steps.predict import predict
from pipeline.steps.register import _objective
from pipeline.training import saved
from tests.data import texts
from tests.serving.packages import (
    PREPARED,
    SLOTS,
    experiment,
    frame,
    log,
    log_several,
    probabilities,
    rows,
    save,
)
from tests.serving.test_rebuilt import TABLE
from tests.serving.test_served_model import ALONE

SIDE = 14
ROWS = rows(7, SIDE * SIDE)
IMAGES = replace(
    PREPARED,
    sources={"plain": PreparedSource((SIDE, SIDE), 255.0, {}), "other": PreparedSource((SIDE, SIDE), 16.0, {})},
)
MODELS: dict[str, dict[str, Any]] = {
    "price": {"trunk": {"widths": [3], "norm": "batch_per_source"}},
    "colour": {"trunk": {"widths": [5, 4], "norm": "batch"}},
    "parity": {"trunk": {"kind": "merged_parts.net:Net", "arguments": {"width": 6}}},
    "kind": {"trunk": {"kind": "resnet", "channels": [3, 4]}},
    "marks": {"trunk": {"widths": []}, "head": {"kind": "mlp", "widths": [3]}},
}
"""A network of its own kind for every task, in another order than their names have."""
OWN = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.Flatten(), nn.LazyLinear(width), nn.ReLU())
"""
THRESHOLDS = [[0.1, 0.9, 0.5], [0.7, 0.2, 0.4]]
Part = tuple[Path, str]


@pytest.fixture(scope="module")
def own_code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A package of a user's own, where this process finds it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "merged_parts").mkdir()
    (folder / "merged_parts" / "__init__.py").touch()
    (folder / "merged_parts" / "net.py").write_text(OWN)
    sys.path.append(str(folder))
    yield
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.startswith("merged_parts")]:
        del sys.modules[name]


def saved_alone(folder: Path, data: Prepared, task: str, slot: str = SLOTS[0], **model: Any) -> Part:
    """A network that answers one task."""
    folder.mkdir()
    own = data.only([task])
    return save(folder, experiment(own, **model), own, spread=0.3), slot


@pytest.fixture(scope="module")
def parts(own_code: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Part]:
    """Each task's network; not all of them are of the same slot."""
    folder = tmp_path_factory.mktemp("saved")
    found = {
        task: saved_alone(folder / task, IMAGES, task, SLOTS[number % 2], **model)
        for number, (task, model) in enumerate(MODELS.items())
    }
    with_thresholds(found["marks"][0])
    return found


def with_thresholds(path: Path) -> None:
    """Other thresholds than one half, which is chosen where nothing is validated."""
    told, tensors = saved.about(path), load_file(path)
    save_file(tensors, path, {"headway": json.dumps(told | {"thresholds": {"marks": THRESHOLDS}})})


@pytest.fixture(scope="module")
def uri(client: mlflow.MlflowClient, parts: dict[str, Part]) -> str:
    return log_several(client, list(parts.values()))


def test_a_process_without_pipeline_answers_every_task_as_its_own_network_does(
    uri: str, parts: dict[str, Part], tmp_path: Path
) -> None:
    np.save(tmp_path / "rows.npy", ROWS)
    command = [sys.executable, "-I", "-c", ALONE, mlflow.get_tracking_uri(), str(tmp_path), uri]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = pd.read_parquet(tmp_path / "0.parquet")
    for task, (path, slot) in parts.items():
        own = IMAGES.only([task])
        wanted = probabilities(path, experiment(own, **MODELS[task]), slot, ROWS, own)[task]
        if task == "price":
            np.testing.assert_allclose(answer[["price/value"]], wanted, rtol=1e-5)
            continue
        found = answer[[f"{task}/probability/{it}" for it in own.tasks[task].classes]]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
        if task == "marks":
            labels = answer[[f"marks/label/{it}" for it in own.tasks[task].classes]].to_numpy()
            assert (labels == (found.to_numpy() > THRESHOLDS[SLOTS.index(slot)])).all()


def test_the_answer_has_the_columns_of_one_network_of_all_tasks(
    uri: str, client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    shared = log(client, save(tmp_path, experiment(IMAGES), IMAGES))
    several, one = (open_model(it) for it in (uri, shared))
    assert list(several.predict(frame(ROWS))) == list(one.predict(frame(ROWS)))
    assert several.metadata.signature == one.metadata.signature


def test_the_model_says_which_slot_each_task_comes_from(uri: str, parts: dict[str, Part]) -> None:
    about = described(open_model(uri))
    assert about["slots"] == {task: slot for task, (_, slot) in parts.items()}
    assert "slot" not in about
    assert about["tasks"]["marks"]["thresholds"] == THRESHOLDS[SLOTS.index(parts["marks"][1])]
    assert about["sources"]["other"] == {"shape": [SIDE, SIDE], "scale": 16.0}


def test_rows_of_a_file_are_predicted(uri: str, tmp_path: Path) -> None:
    frame(ROWS).to_csv(tmp_path / "in.csv", index=False)
    assert predict(uri, tmp_path / "in.csv", tmp_path / "out.parquet") == len(ROWS)
    found = pd.read_parquet(tmp_path / "out.parquet")
    wanted = open_model(uri).predict(frame(ROWS))
    np.testing.assert_allclose(found["price/value"], wanted["price/value"])
    assert {name.partition("/")[0] for name in found} == set(MODELS)
    assert set(found["colour/class"]) <= {"red", "green", "blue"}


def test_one_part_is_a_package_of_the_one_network(client: mlflow.MlflowClient, parts: dict[str, Part]) -> None:
    path, slot = parts["colour"]
    place = client.get_logged_model(log_several(client, [parts["colour"]]).removeprefix("models:/")).artifact_location
    folder = Path(place.removeprefix("file://")) / "artifacts"
    told = saved.about(path)
    wanted = {name: told[name] for name in ("network", "sources", "tasks")} | {"slot": slot}
    found = json.loads((folder / "spec.json").read_text())
    assert found.pop("code").startswith("headway_")
    assert found == wanted
    with safe_open(folder / "weights.safetensors", "np") as mine, safe_open(path, "np") as whole:
        assert set(mine.keys()) == set(whole.keys())


def test_tables_that_share_a_network_are_each_encoded_in_their_own_way(
    client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    people, price = TABLE.sources["people"], TABLE.tasks["price"]
    columns = [it | {"mean": it["mean"] + 7.0} if "mean" in it else it for it in people.encoding["columns"]]
    sources = {"people": people, "staff": replace(people, encoding=people.encoding | {"columns": columns})}
    data = replace(TABLE, sources=sources, tasks={"price": price, "bonus": replace(price, source="staff")})
    like = experiment(data, trunk={"kind": "mlp", "widths": [4], "embedding": 2})
    model = open_model(log_several(client, [(save(tmp_path, like, data), SLOTS[0])]))
    table = pd.DataFrame({"age": [30.0, None], "town": ["Lima", "Rome"], "pay": [1.0, -2.0]})
    found, served = model.predict(table), model.unwrap_python_model()
    assert list(found) == ["bonus/value", "price/value"]
    for task, source in (("price", "people"), ("bonus", "staff")):
        values = Rows.of(source, SourceSpec.of(vars(sources[source]))).values(table, 0)
        np.testing.assert_array_equal(found[[f"{task}/value"]], served.answers(source, values))


def test_tables_are_answered_by_a_network_a_task(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    price = TABLE.tasks["price"]
    data = replace(TABLE, tasks={"price": price, "age": replace(price, mean=40.0, std=3.0)})
    models = {"price": {"trunk": {"kind": "tabular", "widths": [5], "embedding": 3, "number_embedding": 2}},
              "age": {"trunk": {"kind": "mlp", "widths": [4], "embedding": 2}}}  # fmt: skip
    parts = [saved_alone(tmp_path / task, data, task, **model) for task, model in models.items()]
    people = pd.DataFrame({"age": [30.0, None], "town": ["Lima", "Rome"], "pay": [1.0, -2.0]})
    several = open_model(log_several(client, parts)).predict(people)
    assert list(several) == ["age/value", "price/value"]
    for task, part in zip(models, parts, strict=True):
        alone = open_model(log_several(client, [part])).predict(people)
        np.testing.assert_array_equal(several[[f"{task}/value"]], alone)


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("texts")
    return texts.prepared(texts.small(folder / "raw"), texts.experiment(data={"text": {"length": 16}}), folder / "made")


def test_texts_are_tagged_and_told_by_a_network_a_task(
    client: mlflow.MlflowClient, posts: Prepared, tmp_path: Path
) -> None:
    trunks = {"who": {"kind": "lstm", "embedding": 8}, "stars": {"kind": "transformer", "embedding": 8, "heads": 2},
              "mood": {"kind": "lstm", "embedding": 6}}  # fmt: skip
    like = {task: texts.experiment(trunk=trunk, tasks={task: texts.TASKS[task]}) for task, trunk in trunks.items()}
    parts = []
    for task, own in like.items():
        (folder := tmp_path / task).mkdir()
        parts.append((save(folder, own, posts.only([task]), spread=0.5), SLOTS[1]))
    uri = log_several(client, parts)
    said = pd.DataFrame({"text": ["Anna saw Bo Li near New York", "", " ".join(["we saw Oslo"] * 20)]})
    found = open_model(uri).predict(said)
    assert list(found) == [
        "mood/label", "mood/class", "mood/probability/bad", "mood/probability/good", "stars/value",
        "who/tags", "who/entities",
    ]  # fmt: skip
    for part in parts:
        alone = open_model(log_several(client, [part])).predict(said)
        pd.testing.assert_frame_equal(found[list(alone)], alone)
    each = [_objective(log_several(client, [part]), posts.only([task])) for task, part in zip(like, parts, strict=True)]
    assert _objective(uri, posts) == pytest.approx(np.mean(each))


def test_networks_of_several_tasks_each_are_one_model_too(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    groups = {("price", "parity"): {"sharing": "mmoe"}, ("kind", "marks"): {"trunk": {"norm": "batch"}},
              ("colour",): {"sharing": "separate"}}  # fmt: skip
    parts = []
    for number, (tasks, model) in enumerate(groups.items()):
        own = PREPARED.only(tasks)
        (folder := tmp_path / str(number)).mkdir()
        parts.append((save(folder, experiment(own, **model), own), SLOTS[0]))
    values = rows(5)
    answer = open_model(log_several(client, parts)).predict(frame(values))
    for (tasks, model), (path, slot) in zip(groups.items(), parts, strict=True):
        own = PREPARED.only(tasks)
        for task, wanted in probabilities(path, experiment(own, **model), slot, values, own).items():
            part = "value" if task == "price" else "probability"
            np.testing.assert_allclose(answer.filter(like=f"{task}/{part}"), wanted, rtol=1e-5, atol=1e-6)


def test_what_cannot_be_one_model_is_said(tmp_path: Path) -> None:
    def network(name: str, data: Prepared, like: Any) -> Any:
        (folder := tmp_path / name).mkdir()
        return one_slot(save(folder, like, data), SLOTS[0])

    colour = network("colour", PREPARED.only(["colour"]), experiment(PREPARED.only(["colour"])))
    both = PREPARED.only(["colour", "parity"])
    with pytest.raises(ValueError, match="task 'colour' is answered by two of the networks"):
        merged([colour, network("both", both, experiment(both))])
    parity = replace(PREPARED.only(["parity"]), sources={"plain": PreparedSource((2, 3), 16.0, {})})
    with pytest.raises(ValueError, match="source 'plain' is not the same in all networks"):
        merged([colour, network("parity", parity, experiment(parity))])
    rest = PREPARED.only(["parity", "price"])
    asked = experiment(rest).model_copy(update={"balancing": Balancing.of("cosmos")})
    with pytest.raises(ValueError, match="given a preference is a model of its own"):
        merged([colour, network("asked", rest, asked)])
