"""Tiny networks of random values, saved as training saves them, and logged as models."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.config.experiment import Experiment
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask
from pipeline.data.tables import pixel_columns
from pipeline.draws import Stream
from pipeline.serving.package import log_package
from pipeline.training import saved
from pipeline.training.slot import SlotState
from pipeline.training.stack.network import build_network
from tests.conftest import empty_database
from tests.training.made import seeds

SLOTS = ["seed/0", "seed/1"]

PREPARED = Prepared(
    Path(),
    {"plain": PreparedSource((2, 3), 255.0, {}), "other": PreparedSource((2, 3), 255.0, {})},
    {
        "colour": PreparedTask("multiclass", "plain", ("red", "green", "blue")),
        "parity": PreparedTask("binary", "plain", ("even", "odd")),
        "kind": PreparedTask("multiclass", "other", ("a", "b", "c", "d")),
        "marks": PreparedTask("multilabel", "other", ("round", "red", "new")),
        "price": PreparedTask("regression", "plain", (), mean=250.0, std=20.0),
    },
)


def experiment(prepared: Prepared = PREPARED, **model: Any) -> Experiment:
    tasks = {name: {"kind": task.kind, "source": task.source} for name, task in prepared.tasks.items()}
    trunk = model.pop("trunk", {})
    if "kind" not in trunk:
        trunk = {"widths": [5, 4]} | trunk
    return Experiment.model_validate({"name": "tiny", "tasks": tasks, "model": {"trunk": trunk} | model})


def save(folder: Path, like: Experiment, prepared: Prepared = PREPARED, spread: float = 1.0) -> Path:
    network = build_network(prepared, [like])
    network.initialise([Stream(0, SLOTS[0])])
    rng = np.random.default_rng(7)
    states = [
        SlotState(
            name,
            arrays={
                "best.values": rng.normal(0, spread, network.values.shape[1]).astype(np.float32),
                # Variances are positive.
                "best.buffers": rng.uniform(0.5, 2.0, network.buffers.shape[1]).astype(np.float32),
            },
        )
        for name in SLOTS
    ]
    (path,) = saved.save(folder, prepared, seeds(like, len(states)), states)
    return path


def probabilities(
    path: Path, like: Experiment, slot: str, rows: np.ndarray, prepared: Prepared = PREPARED
) -> dict[str, np.ndarray]:
    """What the stack itself answers to rows [B, F]: by task, [B, C]; values [B, 1] of a regression task."""
    network, slots = saved.load_network(path, prepared, like)
    inputs = {
        name: torch.from_numpy(rows).float().unsqueeze(0)
        for name, it in prepared.sources.items()
        if it.features == rows.shape[1]
    }
    logits = {task: z[slots.index(slot)] for task, z in network.forward(inputs).items()}
    return {task: _answers(prepared.tasks[task], z).numpy() for task, z in logits.items()}


@contextmanager
def store(folder: Path) -> Iterator[mlflow.MlflowClient]:
    """An empty store in a folder, for as long as it is needed MLflow's current one."""
    (folder / "mlflow.db").write_bytes(empty_database())
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    client.create_experiment("tiny", artifact_location=(folder / "mlruns").as_uri())
    yield client
    mlflow.set_tracking_uri(before)


def start_run(client: mlflow.MlflowClient) -> str:
    found = client.get_experiment_by_name("tiny")
    assert found is not None
    return str(client.create_run(found.experiment_id).info.run_id)


def log(client: mlflow.MlflowClient, path: Path, slot: str = SLOTS[0]) -> str:
    return log_several(client, [(path, slot)])


def log_several(client: mlflow.MlflowClient, parts: Sequence[tuple[Path, str]]) -> str:
    return str(log_package(client, start_run(client), parts, "tiny").model_uri)


def frame(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, columns=pixel_columns(values.shape[1]))


def numbers(answer: pd.DataFrame) -> pd.DataFrame:
    """An answer without its columns of text."""
    return answer.select_dtypes("number")


def rows(count: int, features: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, features)).astype(np.float64)


def _answers(task: PreparedTask, logits: Tensor) -> Tensor:
    if task.kind == "regression":
        return logits * task.std + task.mean
    if task.kind == "multilabel":
        return torch.sigmoid(logits)
    if task.kind == "binary":
        p = torch.sigmoid(logits[:, 0])
        return torch.stack([1 - p, p], 1)
    return torch.softmax(logits, 1)
