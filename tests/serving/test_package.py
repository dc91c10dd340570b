"""Logging a slot as a model touches nothing else; opening a model unpickles nothing."""

import json
import os
import pickle
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import yaml
from safetensors import safe_open

from pipeline.config import Experiment
from pipeline.data.prepare import prepare
from pipeline.data.prepared import open_prepared
from pipeline.data.sources import Place
from pipeline.errors import Failure, UserError
from pipeline.serving import package as model_package
from pipeline.serving.open_model import described, open_model
from pipeline.serving.package import log_package
from tests.serving.packages import SLOTS, experiment, frame, log, rows, save, start_run

ROWS = frame(rows(4))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("saved"), experiment())


@pytest.fixture
def package(client: mlflow.MlflowClient, saved: Path) -> tuple[str, Path]:
    """A fresh package: its URI and where it lies."""
    uri = log(client, saved)
    place = client.get_logged_model(uri.removeprefix("models:/")).artifact_location
    return uri, Path(place.removeprefix("file://"))


def test_logging_leaves_no_active_run_and_the_environment_as_it_was(client: mlflow.MlflowClient, saved: Path) -> None:
    before = dict(os.environ)
    log(client, saved)
    assert mlflow.active_run() is None
    assert dict(os.environ) == before


def test_logging_leaves_the_callers_own_active_run_alone(client: mlflow.MlflowClient, saved: Path) -> None:
    with mlflow.start_run(run_id=start_run(client)) as active:
        log(client, saved)
        assert mlflow.active_run() is active
    assert not client.get_run(active.info.run_id).outputs.model_outputs


def test_the_model_belongs_to_its_run_and_experiment(client: mlflow.MlflowClient, saved: Path) -> None:
    run_id = start_run(client)
    info = log_package(client, run_id, [(saved, SLOTS[0])], "mine.2")  # MLflow takes no dot
    run, model = client.get_run(run_id), client.get_logged_model(info.model_id)
    assert [output.model_id for output in run.outputs.model_outputs] == [info.model_id]
    assert (model.name, model.source_run_id, model.experiment_id) == ("mine_2", run_id, run.info.experiment_id)
    assert (model.status, info.model_uri) == ("READY", f"models:/{info.model_id}")


def test_the_package_holds_one_slot_without_metadata(package: tuple[str, Path], saved: Path) -> None:
    with safe_open(package[1] / "artifacts/weights.safetensors", "np") as mine, safe_open(saved, "np") as whole:
        assert mine.metadata() is None
        assert set(mine.keys()) == set(whole.keys())
        assert all((mine.get_tensor(name) == whole.get_tensor(name)[0]).all() for name in mine.keys())  # noqa: SIM118


def test_requirements_are_pinned_to_released_versions(package: tuple[str, Path]) -> None:
    pins = dict(line.split("==") for line in (package[1] / "requirements.txt").read_text().split())
    assert set(pins) == {"mlflow", "torch", "pandas", "numpy", "safetensors"}
    assert not any("+" in version for version in pins.values())


def test_the_model_describes_its_tasks_and_sources(package: tuple[str, Path]) -> None:
    about = described(open_model(package[0]))
    assert about["slot"] == SLOTS[0]
    assert about["tasks"]["colour"] == {"kind": "multiclass", "source": "plain", "classes": ["red", "green", "blue"]}
    assert about["sources"]["plain"] == {"shape": [2, 3], "scale": 255.0}


def test_a_long_description_is_left_to_the_spec(
    client: mlflow.MlflowClient, saved: Path, package: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_package, "_LONG", 60)
    long = open_model(log_package(client, start_run(client), [(saved, SLOTS[0])], "long").model_uri)
    told = long.metadata.metadata["headway"]
    assert told["in_spec"] == ["sources", "tasks"]
    assert not {"sources", "tasks"} & set(told)
    assert described(long) == described(open_model(package[0]))


def test_the_example_can_be_served(package: tuple[str, Path]) -> None:
    request = json.loads((package[1] / "serving_input_example.json").read_text())
    assert len(open_model(package[0]).predict(pd.DataFrame(**request["dataframe_split"]))) == 1


@pytest.mark.parametrize("spelling", [{"missing": ["?"]}, {"decimal": ",", "separator": ";"}])
def test_the_example_of_numbers_with_a_spelling_of_their_own_is_text(
    client: mlflow.MlflowClient, tmp_path: Path, spelling: dict[str, Any]
) -> None:
    """MLflow checks it against the signature, where these are text."""
    mark, separator = spelling.get("decimal", "."), spelling.get("separator", ",")
    lines = [f"{row}{mark}5{separator}{'ab'[row % 2]}" for row in range(40)]
    (tmp_path / "rows.csv").write_text("\n".join([f"x{separator}y", *lines]))
    source = {"kind": "table", "path": "rows.csv", "inputs": {"x": "numeric"}} | spelling
    tree = {"name": "toy", "sources": {"s": source}, "tasks": {"y": {"kind": "binary", "source": "s"}}}
    (tmp_path / "made").mkdir()
    place = Place("sample", tmp_path, None, tmp_path, tmp_path)
    prepare(Experiment.model_validate(tree), place, tmp_path / "made", lambda line: None)
    data = open_prepared(tmp_path / "made")
    model = open_model(log(client, save(tmp_path, experiment(data), data)))
    example = model.input_example
    assert isinstance(example["x"][0], str)
    assert model.predict(example)["y/class"][0] in ("a", "b")


def test_an_unknown_slot_is_named(client: mlflow.MlflowClient, saved: Path) -> None:
    with pytest.raises(ValueError, match="no slot 'seed/9'; it has seed/0, seed/1"):
        log_package(client, start_run(client), [(saved, "seed/9")], "tiny")


def test_a_package_that_cannot_be_written_is_marked_failed(
    client: mlflow.MlflowClient, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(mlflow.pyfunc, "save_model", full)
    run_id = start_run(client)
    with pytest.raises(OSError, match="no space left"):
        log_package(client, run_id, [(saved, SLOTS[0])], "broken")
    found = client.search_logged_models([client.get_run(run_id).info.experiment_id], "name = 'broken'")
    assert [model.status for model in found] == ["FAILED"]
    assert not client.get_run(run_id).outputs.model_outputs


def test_every_form_of_uri_opens_the_same_model(client: mlflow.MlflowClient, saved: Path) -> None:
    run_id = start_run(client)
    info = log_package(client, run_id, [(saved, SLOTS[0])], "tiny")
    client.create_registered_model("forms")
    client.create_model_version("forms", info.model_uri, run_id, model_id=info.model_id)
    client.set_registered_model_alias("forms", "champion", "1")
    forms = (
        info.model_uri,
        "models:/forms/1",
        "models:/forms@champion",
        "models:/forms/latest",
        f"runs:/{run_id}/tiny",
    )
    answers = [open_model(uri).predict(ROWS) for uri in forms]
    assert all(answer.equals(answers[0]) for answer in answers)


def test_the_fetched_copy_is_removed_with_the_model(package: tuple[str, Path], monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = open_model(package[0])
    assert len(list(tmp_path.iterdir())) == 1
    del model
    assert not list(tmp_path.iterdir())


def test_the_switch_for_pickles_is_as_before_after_opening(package: tuple[str, Path], monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", raising=False)
    open_model(package[0])
    assert "MLFLOW_ALLOW_PICKLE_DESERIALIZATION" not in os.environ
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    open_model(package[0])
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "true"


class Trap:
    """Sets off when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(Path(os.environ["TRAP"])),)


def pickled_object(place: Path) -> None:
    config = yaml.safe_load((place / "MLmodel").read_text())
    own = config["flavors"]["python_function"]
    del own["model_code_path"]
    own |= {"loader_module": "mlflow.pyfunc.model", "python_model": "python_model.pkl"}
    (place / "MLmodel").write_text(yaml.safe_dump(config))
    (place / "python_model.pkl").write_bytes(pickle.dumps(Trap()))


def other_flavor(place: Path) -> None:
    config = yaml.safe_load((place / "MLmodel").read_text())
    config["flavors"]["sklearn"] = {"pickled_model": "model.pkl"}
    (place / "MLmodel").write_text(yaml.safe_dump(config))


def other_loader(place: Path) -> None:
    text = (place / "MLmodel").read_text()
    (place / "MLmodel").write_text(text.replace("mlflow.pyfunc.loaders.code_model", "mlflow.sklearn"))


def hidden_file(place: Path) -> None:
    (place / "artifacts" / "more").mkdir()
    (place / "artifacts" / "more" / "weights.PT").write_bytes(pickle.dumps(Trap()))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (pickled_object, "its Python object is stored, not its code"),
        (other_flavor, "it has the flavor sklearn"),
        (other_loader, "its Python object is stored, not its code"),
        (hidden_file, "it holds artifacts/more/weights.PT"),
    ],
)
def test_a_model_that_needs_unpickling_is_refused_before_anything_of_it_runs(
    package: tuple[str, Path], change: Callable[[Path], None], why: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    code = package[1] / "pyfunc.py"
    code.write_text(f"import os; os.mkdir({str(tmp_path / 'run')!r})\n" + code.read_text())
    change(package[1])
    with pytest.raises(UserError, match="would need unpickling") as caught:
        open_model(package[0])
    assert why in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "uri",
    [
        "models:/none@champion", "models:/none/1", "models:/none/latest", "models:/m-0123456789abcdef",
        "runs:/0123456789abcdef/tiny", "models:/", "champion", "", "s3://bucket/model", "/etc", "models:/a/b/c",
    ],
)  # fmt: skip
def test_an_unknown_uri_is_one_clear_line(client: mlflow.MlflowClient, uri: str) -> None:
    with pytest.raises(UserError, match="models:/NAME@champion") as caught:
        open_model(uri)
    assert uri in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_alias_or_version_is_named(client: mlflow.MlflowClient) -> None:
    client.create_registered_model("bare")
    for uri in ("models:/bare@champion", "models:/bare/7"):
        with pytest.raises(UserError, match=f"no model {uri}: .*not found"):
            open_model(uri)


@pytest.mark.parametrize("content", ["", "flavors: [", "- a list", "flavors: {}"])
def test_a_broken_description_is_a_users_mistake(package: tuple[str, Path], content: str) -> None:
    (package[1] / "MLmodel").write_text(content)
    with pytest.raises(UserError) as caught:
        open_model(package[0])
    assert "\n" not in str(caught.value)


def test_a_package_whose_files_are_gone_is_a_users_mistake(package: tuple[str, Path]) -> None:
    for path in sorted(package[1].rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match=r"no model|no MLflow model"):
        open_model(package[0])


def test_a_model_whose_own_code_fails_cannot_be_loaded(package: tuple[str, Path]) -> None:
    (package[1] / "pyfunc.py").write_text("raise RuntimeError('not today')")
    with pytest.raises(Failure, match=r"cannot be loaded here: .*not today"):
        open_model(package[0])


def test_a_server_that_does_not_answer_is_a_failure(client: mlflow.MlflowClient) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"http://user:secret@127.0.0.1:{port}")
    try:
        with pytest.raises(Failure, match="cannot be reached") as caught:
            open_model("models:/tiny@champion")
    finally:
        mlflow.set_tracking_uri(before)
    assert "secret" not in str(caught.value)


def test_a_model_of_someone_else_does_not_say_what_it_knows(package: tuple[str, Path]) -> None:
    config = yaml.safe_load((package[1] / "MLmodel").read_text())
    del config["metadata"]
    (package[1] / "MLmodel").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="not logged by Headway"):
        described(open_model(package[0]))
