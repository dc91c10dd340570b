"""Models with trunks of every kind are served without `pipeline`, code of one's own included."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask
from pipeline.serving.open_model import open_model
from tests.serving.packages import SLOTS, experiment, frame, log, numbers, probabilities, rows, save
from tests.serving.test_served_model import ALONE

SIDE = 14
IMAGES = Prepared(
    Path(),
    {"plain": PreparedSource((SIDE, SIDE), 255.0, {}), "other": PreparedSource((SIDE, SIDE), 255.0, {})},
    {
        "colour": PreparedTask("multiclass", "plain", ("red", "green", "blue")),
        "kind": PreparedTask("binary", "other", ("a", "b")),
    },
)
OWN = """
from torch import nn
from own_parts.blocks import Block

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), Block(), nn.LazyLinear(width), nn.BatchNorm1d(width), nn.ReLU())

    def forward(self, x):
        return self.body(x)
"""
CASES: dict[str, dict[str, Any]] = {
    "residual": {"trunk": {"kind": "residual", "widths": [6, 5, 4]}},
    "residual, batch_per_source": {"trunk": {"kind": "residual", "widths": [6, 5], "norm": "batch_per_source"}},
    "lenet": {"trunk": {"kind": "lenet"}},
    "lenet, tanh, separate": {"sharing": "separate", "trunk": {"kind": "lenet", "activation": "tanh"}},
    "resnet": {"trunk": {"kind": "resnet", "channels": [3, 4], "blocks": 2}},
    "resnet, batch_per_source": {"trunk": {"kind": "resnet", "channels": [3, 4], "norm": "batch_per_source"}},
    "torchvision": {"trunk": {"kind": "torchvision", "network": "shufflenet_v2_x0_5", "widths": [7]}},
    "own": {"trunk": {"kind": "own_parts.net:Net", "arguments": {"width": 5}}},
    "cross_stitch": {"sharing": "cross_stitch", "trunk": {"kind": "lenet"}},
    "mmoe": {"sharing": {"kind": "mmoe", "experts": 3}, "trunk": {"kind": "resnet", "channels": [3, 4]}},
    "cgc": {"sharing": "cgc", "trunk": {"kind": "residual", "widths": [6, 5], "norm": "batch_per_source"}},
    "dselect_k": {"sharing": {"kind": "dselect_k", "chosen": 3}, "trunk": {"widths": [6]}},
    "dselect_k of one": {"sharing": {"kind": "dselect_k", "experts": 1}, "trunk": {"widths": [6]}},
    "mtan": {"sharing": "mtan", "trunk": {"kind": "lenet"}},
    "mtan of blocks": {"sharing": {"kind": "mtan", "bottleneck": 2.0}, "trunk": {"kind": "resnet", "channels": [3, 4]}},
    "mtan of one layer": {"sharing": "mtan", "trunk": {"widths": [6]}},
    "ple": {"sharing": {"kind": "ple", "own_experts": 2}, "trunk": {"widths": [6, 5], "norm": "layer"}},
}
ROWS = rows(5, SIDE * SIDE)


@pytest.fixture(scope="module")
def own_code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A package of a user's own, where this process finds it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_parts").mkdir()
    (folder / "own_parts" / "__init__.py").touch()
    (folder / "own_parts" / "net.py").write_text(OWN)
    (folder / "own_parts" / "blocks.py").write_text("from torch import nn\nclass Block(nn.Dropout):\n    pass\n")
    sys.path.append(str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.startswith("own_parts")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def logged(
    client: mlflow.MlflowClient, own_code: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[str, dict[str, np.ndarray]]]:
    """For each case the model and what the stack answers."""
    found = {}
    for number, (case, model) in enumerate(CASES.items()):
        like = experiment(IMAGES, **model)
        path = save(tmp_path_factory.mktemp(f"case{number}"), like, IMAGES, spread=0.2)
        found[case] = (log(client, path, SLOTS[1]), probabilities(path, like, SLOTS[1], ROWS, IMAGES))
    return found


@pytest.fixture(scope="module")
def answers(
    logged: dict[str, tuple[str, dict[str, np.ndarray]]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, pd.DataFrame]:
    """What a process answers that has neither `pipeline` nor the user's folder."""
    folder = tmp_path_factory.mktemp("alone")
    np.save(folder / "rows.npy", ROWS)
    command = [sys.executable, "-I", "-c", ALONE, mlflow.get_tracking_uri(), str(folder)]
    done = subprocess.run([*command, *(uri for uri, _ in logged.values())], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {case: pd.read_parquet(folder / f"{number}.parquet") for number, case in enumerate(logged)}


@pytest.mark.parametrize("case", CASES)
def test_a_process_without_pipeline_answers_what_the_stack_answers(
    case: str, logged: dict[str, tuple[str, dict[str, np.ndarray]]], answers: dict[str, pd.DataFrame]
) -> None:
    for task, wanted in logged[case][1].items():
        found = answers[case][[f"{task}/probability/{it}" for it in IMAGES.tasks[task].classes]]
        np.testing.assert_allclose(found, wanted, atol=1e-6, rtol=0)
        assert (answers[case][f"{task}/label"] == wanted.argmax(1)).all()


def test_slots_of_a_convolution_answer_differently(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    path = save(tmp_path, experiment(IMAGES, **CASES["lenet"]), IMAGES)
    one, other = (open_model(log(client, path, slot)).predict(frame(ROWS)) for slot in SLOTS)
    assert not np.allclose(numbers(one), numbers(other))


def test_only_models_of_torchvision_require_it(
    client: mlflow.MlflowClient, logged: dict[str, tuple[str, dict[str, np.ndarray]]]
) -> None:
    requiring = {case for case, (uri, _) in logged.items() if "torchvision==" in _file(client, uri, "requirements.txt")}
    assert requiring == {"torchvision"}


def test_only_models_of_ones_own_code_carry_it(
    client: mlflow.MlflowClient, logged: dict[str, tuple[str, dict[str, np.ndarray]]]
) -> None:
    for case, (uri, _) in logged.items():
        code = _folder(client, uri) / "code"
        carried = [str(path.relative_to(code)) for path in sorted(code.rglob("*.py"))]
        own = [f"own_parts/{name}.py" for name in ("__init__", "blocks", "net")] if case == "own" else []
        assert [name for name in carried if not name.startswith("headway_")] == own
        attending = str(CASES[case].get("sharing")).count("mtan")  # the code of no other layers is carried
        assert sum(name.endswith("/layers/attended.py") for name in carried) == attending


def test_loading_a_module_draws_no_random_numbers(logged: dict[str, tuple[str, dict[str, np.ndarray]]]) -> None:
    before = torch.get_rng_state()
    open_model(logged["torchvision"][0]).predict(frame(ROWS))
    assert torch.equal(torch.get_rng_state(), before)


def _folder(client: mlflow.MlflowClient, uri: str) -> Path:
    place = client.get_logged_model(uri.removeprefix("models:/")).artifact_location
    return Path(place.removeprefix("file://"))


def _file(client: mlflow.MlflowClient, uri: str, name: str) -> str:
    return (_folder(client, uri) / name).read_text()
