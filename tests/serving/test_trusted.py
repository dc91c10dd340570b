"""A model names classes of its own code, or of packages that it requires; a changed one is refused before it runs."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

from pipeline.errors import Failure, UserError
from pipeline.model.layers.wrapped import Wrapped
from pipeline.serving.open_model import open_model
from tests.serving.packages import experiment, frame, log, rows, save

MODELS: dict[str, dict[str, Any]] = {
    "own": {"trunk": {"kind": "trusted_parts:Net", "arguments": {"width": 4}}},
    "installed": {"trunk": {"kind": "torch.nn:Flatten"}},
    "built in": {"trunk": {"kind": "dcn_v2", "crosses": 1, "widths": [3]}},
}
OWN = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.Flatten(), nn.LazyLinear(width))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    folder = tmp_path_factory.mktemp("own")
    (folder / "trusted_parts").mkdir()
    (folder / "trusted_parts" / "__init__.py").write_text("from .nets import Net\n")
    (folder / "trusted_parts" / "nets.py").write_text(OWN + "\ndef run(width):\n    raise SystemExit('called')\n")
    sys.path.append(str(folder))
    yield {name: save(tmp_path_factory.mktemp("saved"), experiment(**dict(it))) for name, it in MODELS.items()}
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def logged(client: mlflow.MlflowClient, saved: dict[str, Path]) -> tuple[str, Path]:
    """A model with a module of one's own: its URI and where it lies."""
    uri = log(client, saved["own"])
    place = client.get_logged_model(uri.removeprefix("models:/")).artifact_location
    return uri, Path(place.removeprefix("file://"))


@pytest.fixture
def package(logged: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """It may be changed."""
    before = shutil.copytree(logged[1], tmp_path_factory.mktemp("before") / "it")
    yield logged
    shutil.copytree(before, logged[1], dirs_exist_ok=True)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_as_it_was_logged_is_opened(client: mlflow.MlflowClient, saved: dict[str, Path], name: str) -> None:
    assert len(open_model(log(client, saved[name])).predict(frame(rows(2)))) == 2


def naming(path: str, **arguments: Any) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        spec = json.loads((place / "artifacts" / "spec.json").read_text())
        layer = next(it for it in spec["network"]["branches"][0]["trunk"] if it["kind"] == "module")
        layer |= {"module": path, "arguments": arguments}
        (place / "artifacts" / "spec.json").write_text(json.dumps(spec))

    return change


def with_code(name: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        spec = json.loads((place / "artifacts" / "spec.json").read_text()) | {"code": name}
        (place / "artifacts" / "spec.json").write_text(json.dumps(spec))

    return change


def with_spec(content: str) -> Callable[[Path], None]:
    return lambda place: (place / "artifacts" / "spec.json").write_text(content) and None


def with_file(path: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        config = yaml.safe_load((place / "MLmodel").read_text())
        config["flavors"]["python_function"]["artifacts"]["spec"]["path"] = path
        (place / "MLmodel").write_text(yaml.safe_dump(config))

    return change


CHANGES = {
    "os:system": naming("os:system", command="touch MARK"),
    "builtins:eval": naming("builtins:eval"),
    "builtins:exec": naming("builtins:exec", source="open('MARK', 'w')"),
    "subprocess:Popen": naming("subprocess:Popen", args=["touch", "MARK"]),
    "torch:load": naming("torch:load", f="weights.bin", weights_only=False),
    "torch.hub:load": naming("torch.hub:load", repo_or_dir="a/b", model="c"),
    "yaml:unsafe_load": naming("yaml:unsafe_load", stream="!!python/object/apply:os.system ['touch MARK']"),
    "trusted_parts:run": naming("trusted_parts:run", width=1),
    "trusted_parts:os": naming("trusted_parts:os"),
    "trusted_parts.nets:nn.Module": naming("trusted_parts.nets:nn.Module"),
    "pipeline.commands.execute:execute": naming("pipeline.commands.execute:execute"),
    "pipeline.serving.served:Served": naming("pipeline.serving.served:Served"),
    "../../parts:Net": naming("../../parts:Net"),
    "": naming(""),
    "code elsewhere": with_code("../../elsewhere"),
    "code that is not there": with_code("json"),
    "no json": with_spec("{"),
    "a list": with_spec("[]"),
    "no network": with_spec('{"code": "", "sources": {}, "tasks": {}}'),
    "deep": with_spec("[" * 100_000),
    "a file above": with_file("../../../../../etc/hostname"),
    "a file of the machine": with_file("/etc/hostname"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_model_is_refused_in_one_line_and_nothing_of_it_runs(
    package: tuple[str, Path], change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    CHANGES[change](package[1])
    if change != "pipeline.serving.served:Served":  # which its code holds: it is imported, and found to be no layer
        code = package[1] / "pyfunc.py"
        code.write_text(f"import os; os.mkdir({str(tmp_path / 'MARK')!r})\n" + code.read_text())
    with pytest.raises((UserError, Failure)) as caught:
        open_model(package[0])
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "path", ["os:system", "builtins:eval", "torch:load", "torch.hub:load", "tests.serving:nothing"]
)
def test_a_served_model_calls_no_function_either(path: str) -> None:
    """As `mlflow models serve` opens it, which looks at none of its files before."""
    with pytest.raises(UserError):
        Wrapped.rebuild({"module": path, "arguments": {}, "shape": (2,)}, {}, "")
