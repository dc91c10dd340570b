"""An experiment that somebody else wrote runs nothing by being looked at, and names no function to be run."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import Headway

PARTS = """
from pathlib import Path
Path(__file__).with_name("IMPORTED").touch()
from torch import nn
from pipeline.balance import Balancer
from pipeline.data.sources import Examples, Fingerprint, Part

class Waves:
    def fingerprint(self, place):
        return Fingerprint({})
    def read(self, place, report):
        raise AssertionError

class Net(nn.Module): ...
class Head(nn.Module): ...
class Loss:
    def rows(self, logits, targets): ...
class Method(Balancer):
    needs = ("gramian",)
def metric(true, answers): ...
def run(**arguments):
    Path(__file__).with_name("CALLED").touch()
"""
DIGITS = {"kind": "multiclass", "source": "digits"}
OTHER = {"kind": "binary", "source": "digits", "label": "parity"}
PLACES: dict[str, Callable[[str], dict]] = {
    "source": lambda path: {
        "sources": {"own": {"kind": path, "arguments": {}}}, "tasks": {"a": {"kind": "binary", "source": "own"}}
    },
    "trunk": lambda path: {"tasks": {"digit": DIGITS}, "model": {"trunk": {"kind": path}}},
    "head": lambda path: {"tasks": {"digit": DIGITS}, "model": {"head": {"kind": path}}},
    "balancing": lambda path: {"tasks": {"digit": DIGITS, "parity": OTHER}, "balancing": {"method": path}},
    "loss": lambda path: {"tasks": {"digit": DIGITS | {"loss": path}}},
    "metric": lambda path: {"tasks": {"digit": DIGITS | {"metrics": [path]}}},
}  # fmt: skip
OWN = {"source": "Waves", "trunk": "Net", "head": "Head", "balancing": "Method", "loss": "Loss", "metric": "metric"}


def written(project: Path, tree: dict) -> None:
    (project / "mine_untrusted.py").write_text(PARTS)
    (project / "experiments" / "it.yaml").write_text(yaml.safe_dump(tree))


@pytest.mark.parametrize("place", PLACES)
def test_what_only_shows_imports_nothing(project: Path, headway: Headway, place: str) -> None:
    written(project, PLACES[place](f"mine_untrusted:{OWN[place]}"))
    for command in (
        ["show", "it"],
        ["show", "it", "--json"],
        ["why", "train", "it"],
        ["why", "prepare", "it"],
        ["list"],
    ):
        told = headway(*command)
        assert (told.code, told.err) == (0, "")
    if place == "source":
        assert "known when a source of your own is asked" in headway("show", "it").out
    assert not (project / "IMPORTED").exists()


FUNCTIONS = ("subprocess:check_output", "os:system", "builtins:eval", "test.support:run", "posixpath:join", "pip:main")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("path", FUNCTIONS)
def test_a_function_of_python_is_no_part(project: Path, headway: Headway, place: str, path: str) -> None:
    written(project, PLACES[place](path))
    told = headway("run", "it")
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert path in told.err
    assert not (project / ".headway" / "outputs").exists()


@pytest.mark.parametrize("place", [it for it in PLACES if it != "metric"])
@pytest.mark.parametrize("name", ["run", "Path", "nn.Module"])
def test_what_is_no_class_of_its_own_module_is_not_called(
    project: Path, headway: Headway, place: str, name: str
) -> None:
    written(project, PLACES[place](f"mine_untrusted:{name}"))
    told = headway("train", "it")
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert f"mine_untrusted:{name}" in told.err
    assert not (project / "CALLED").exists()


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_refused_by_every_way_in(project: Path, headway: Headway, kind: str) -> None:
    pipe = project / "pipe.csv"
    os.mkfifo(pipe) if kind == "pipe" else os.symlink("/dev/zero", pipe)
    os.makedirs(project / "images" / "a")
    os.makedirs(project / "tables")
    if kind == "pipe":
        os.mkfifo(project / "images" / "a" / "1.png")
    else:
        os.symlink("../../pipe.csv", project / "images" / "a" / "1.png")
    os.symlink("../pipe.csv", project / "tables" / "1.parquet")
    sources = {
        "table": {"kind": "table", "path": "pipe.csv"}, "tables": {"kind": "table", "path": "tables"},
        "images": {"kind": "images", "path": "images"}, "npz": {"kind": "medmnist", "path": "pipe.csv"},
        "labels": {"kind": "images", "path": "images", "labels_file": "../pipe.csv", "id": "i"},
        "text": {"kind": "text", "path": "pipe.csv"}, "tokens": {"kind": "tokens", "path": "pipe.csv"},
    }  # fmt: skip
    for name, source in sources.items():
        task = {"kind": "tagging" if name == "tokens" else "binary", "source": "own"}
        (project / "experiments" / f"{name}.yaml").write_text(
            yaml.safe_dump({"sources": {"own": source}, "tasks": {"a": task}})
        )
    commands = [
        ["init", "pipe.csv", "--name", "drafted"], ["init", "tables", "--name", "drafted"],
        ["init", "images", "--labels", "pipe.csv", "--name", "drafted"], ["init", "pipe.csv", "--text", "--name", "x"],
        ["show", "pipe.csv"], ["prepare", "pipe.csv"],
        ["predict", "--model", "models:/a/1", "--input", "pipe.csv", "--output", "out.csv"],
        ["tune", "debug", "--storage", "sqlite:///pipe.csv"], ["tune", "debug", "--storage", "journal://pipe.csv"],
        ["train", "mnist_fashion", "--set", "baselines.separate=pipe.csv"],
        ["train", "mnist_fashion", "--set", "model.trunk={kind: torchvision, network: resnet18, weights: pipe.csv}"],
        *(["show", name] for name in sources), *(["prepare", name] for name in sources),
    ]  # fmt: skip
    for command in commands:
        told = headway(*command)
        assert told.code in (1, 2), command
        assert told.err.count("\n") == 1, command
        reasons = ("a regular file", "no such file", "no file", "neither file nor folder", "which is not there")
        assert any(it in told.err for it in reasons), (command, told.err)
    assert not {"drafted.yaml", "x.yaml"} & {it.name for it in (project / "experiments").iterdir()}
