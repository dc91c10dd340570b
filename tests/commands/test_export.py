"""`headway export`: files that answer as the model does, and one line for each mistake."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.compatibility.unpacked import unpacked
from tests.conftest import Headway

ONE_LINE = {
    "nothing asked for": ([], 2, "Missing option '--onnx', '--pt2' or '--docker'"),
    "another suffix": (["--onnx", "m.pt2"], 2, "--onnx m.pt2: its name must end in .onnx"),
    "no folder": (["--pt2", "no/m.pt2"], 2, "--pt2 no/m.pt2: no folder no; make it first"),
    "a folder that is there": (["--docker", "experiments"], 2, "--docker experiments: is there already"),
}


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with registered models."""
    return unpacked("models", tmp_path, monkeypatch)


@pytest.mark.parametrize("case", ONE_LINE)
def test_a_mistake_is_one_line(case: str, project: Path, headway: Headway) -> None:
    options, code, line = ONE_LINE[case]
    told = headway("export", "models:/digits@champion", *options)
    assert (told.code, told.out) == (code, "")
    assert told.err.startswith(f"headway: {line}")
    assert told.err.count("\n") == 1


def test_a_model_that_does_not_exist_is_one_line(project: Path, headway: Headway) -> None:
    told = headway("export", "models:/nobody@champion", "--pt2", "m.pt2")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("headway: no model models:/nobody@champion: ")
    assert not [*project.glob("*m.pt2*")]


def test_a_missing_extra_is_one_line(project: Path, headway: Headway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    told = headway("export", "models:/nobody@champion", "--onnx", "m.onnx")
    assert (told.code, told.out) == (1, "")
    assert told.err == "headway: --onnx needs the package onnxruntime: pip install 'headway[onnx]'\n"


def test_a_model_of_several_networks_becomes_two_files_and_a_folder(models: Path, headway: Headway) -> None:
    runtime = pytest.importorskip("onnxruntime")
    told = headway(
        "export", "models:/debug@champion", "--onnx", "m.onnx", "--pt2", "m.pt2", "--docker", "image", "--json"
    )
    assert (told.code, told.err) == (0, "")
    said = json.loads(told.out)
    assert said["onnx"]["bytes"] == (models / "m.onnx").stat().st_size
    assert max(said[form]["difference"] for form in ("onnx", "pt2")) <= 1e-5
    rows = np.loadtxt(models / "digits.csv", delimiter=",", skiprows=1, dtype=np.float32)
    session = runtime.InferenceSession(models / "m.onnx", providers=["CPUExecutionProvider"])
    found = session.run(["digit/probability"], {"digits": rows.reshape(-1, 8, 8)})[0]
    recorded = np.genfromtxt(models / "recorded" / "debug.csv", delimiter=",", names=True)
    wanted = np.stack([recorded[f"digitprobability{place}"] for place in range(10)], 1)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    metadata = session.get_modelmeta().custom_metadata_map
    assert (metadata["name"], metadata["version"]) == ("debug", "1")
    lines = (models / "image" / "Dockerfile").read_text().splitlines()
    assert "COPY model /opt/ml/model" in lines
    assert "RUN pip install mlflow==" in "\n".join(lines)
    assert [line for line in lines if line.startswith("# RUN pip install torch==")]
    assert (models / "image" / "model" / "requirements.txt").is_file()
    assert {it.name for it in (models / "image").iterdir()} == {"Dockerfile", "model"}
