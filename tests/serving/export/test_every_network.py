"""Networks of every trunk, way of sharing and kind of layer are exported, and answer what the served ones answer."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mlflow
import pytest

from pipeline.config import Experiment
from pipeline.config.sharing import Sharing
from pipeline.config.trunks import Trunk
from pipeline.data.prepared import Prepared
from pipeline.serving.export.agreement import TOLERANCE
from pipeline.serving.export.export import opened, write_onnx, write_torch
from pipeline.serving.export.onnx_file import answers, feed_of
from pipeline.serving.export.program import PREFERENCE
from tests import encoders
from tests.compatibility.unpacked import unpacked
from tests.data import texts
from tests.serving import test_formats as tables, test_served_preference as preferences, test_served_trunks as images
from tests.serving.packages import SLOTS, experiment, log, log_several, save

pytestmark = pytest.mark.slow
pytest.importorskip("onnxruntime")

own_code = images.own_code  # the package of the case `own`

TEXTS: Mapping[str, dict[str, Any]] = {
    "lstm": {"kind": "lstm"},
    "gru": {"kind": "gru", "widths": [5, 4]},
    "transformer": {"kind": "transformer", "embedding": 8, "heads": 2},
    "huggingface": {"kind": "huggingface"},
}
TABLES: Mapping[str, dict[str, Any]] = {
    "tabular": {"kind": "tabular", "widths": [6]},
    "tabular with layer norm": {"kind": "tabular", "widths": [6, 5], "norm": "layer"},
    "dcn_v2": {"kind": "dcn_v2"},
}


def written(uri: str, folder: Path, empty: bool = True) -> None:
    model = opened(uri)
    for write, suffix in ((write_onnx, "onnx"), (write_torch, "pt2")):
        assert write(model, folder / f"m.{suffix}").difference <= TOLERANCE
    if not empty:
        return
    inputs = [it for it in model.program.inputs if it.name != PREFERENCE]
    none = {name: it[:0] for made in model.examples.values() for name, it in made.tensors.items()}
    found = answers(str(folder / "m.onnx"), feed_of(inputs, none, {it.name: [] for it in inputs}))
    assert {len(it) for it in found.values()} == {0}


@pytest.mark.parametrize("case", images.CASES)
def test_networks_of_images(case: str, client: mlflow.MlflowClient, own_code: Path, tmp_path: Path) -> None:
    like = experiment(images.IMAGES, **images.CASES[case])
    written(log(client, save(tmp_path, like, images.IMAGES, spread=0.2), SLOTS[1]), tmp_path)


@pytest.mark.parametrize("case", preferences.CASES)
def test_networks_that_are_given_a_preference(case: str, client: mlflow.MlflowClient, tmp_path: Path) -> None:
    prepared, model = preferences.CASES[case]
    like = preferences.conditioned(prepared, model, preferences.uneven(prepared))
    written(log(client, save(tmp_path, like, prepared, spread=0.2)), tmp_path)


@pytest.mark.parametrize("trunk", TEXTS)
def test_networks_of_texts(trunk: str, client: mlflow.MlflowClient, tmp_path: Path) -> None:
    settings = dict(TEXTS[trunk])
    if trunk == "huggingface":
        pytest.importorskip("transformers")
        settings["model"] = str(encoders.encoder(tmp_path / "encoder"))
    tree = texts.experiment(data={"text": {"length": 16}}).model_dump(exclude={"model"}, exclude_unset=True)
    like = Experiment.model_validate(tree | {"model": {"trunk": settings}})
    prepared = texts.prepared(texts.small(tmp_path / "raw"), like, tmp_path / "made")
    (tmp_path / "saved").mkdir()
    uri = log(client, save(tmp_path / "saved", like, prepared, spread=0.3))
    written(uri, tmp_path, empty=trunk not in ("lstm", "gru"))  # ONNX Runtime 1.32 crashes without rows


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return tables.made(tmp_path_factory.mktemp("table"), "rows.parquet")


@pytest.mark.parametrize("trunk", TABLES)
def test_networks_of_tables(trunk: str, client: mlflow.MlflowClient, table: Prepared, tmp_path: Path) -> None:
    like = experiment(table, trunk=dict(TABLES[trunk]))
    written(log(client, save(tmp_path, like, table, spread=0.1)), tmp_path)


def test_a_network_for_each_task(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    """A champion may be made of several."""
    parts = []
    for task, about in images.IMAGES.tasks.items():
        prepared = Prepared(Path(), {about.source: images.IMAGES.sources[about.source]}, {task: about})
        (tmp_path / task).mkdir()
        parts.append((save(tmp_path / task, experiment(prepared), prepared), SLOTS[0]))
    written(log_several(client, parts), tmp_path)


def test_every_trunk_and_way_of_sharing_is_among_them() -> None:
    models = [*images.CASES.values(), *({"trunk": it} for it in (*TEXTS.values(), *TABLES.values()))]
    assert {it.get("trunk", {}).get("kind", "mlp") for it in models} >= Trunk.choices.keys()
    sharing = [it.get("sharing", "shared") for it in models]
    assert {it if isinstance(it, str) else it["kind"] for it in sharing} >= Sharing.choices.keys()


@pytest.mark.parametrize("name", ["debug", "table", "mmoe", "preference"])
def test_models_of_an_earlier_version(name: str, earlier: None, tmp_path: Path) -> None:
    written(f"models:/{name}@champion", tmp_path)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        project = unpacked("models", tmp_path_factory.mktemp("models"), patch)
        mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
        yield
    mlflow.set_tracking_uri(before)
