"""Model packages: one slot's network, logged as a model of the run that trained it.

A package is `served_model.py`, a spec and one slot's weights; `served_model` says what goes in and what comes out.
"""

import importlib.metadata
import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from pipeline.data.tables import pixel_columns

METADATA = "headway"
"""The entry that a saved stack and a logged model describe themselves under."""

_CODE = Path(__file__).with_name("served_model.py")
_REQUIREMENTS = ("mlflow", "torch", "pandas", "numpy", "safetensors")


def log_package(client: mlflow.MlflowClient, run_id: str, saved: Path, slot: str, name: str) -> ModelInfo:
    """Log one slot of a saved stack; MLflow's active run is neither used nor touched.

    Args:
        client: Of the store.
        run_id: Of the run that trained it.
        saved: A `model.safetensors`.
        slot: Name of the slot.
        name: Of the logged model.

    Returns:
        MLflow's description; its `model_uri`, `models:/m-...`, can be opened and registered.

    Raises:
        ValueError: The file has no such slot.
    """
    spec, tensors = _one_slot(saved, slot)
    experiment = client.get_run(run_id).info.experiment_id
    logged = client.create_logged_model(experiment, name, run_id)
    known: dict[str, Any] = {
        "model_id": logged.model_id,
        "model_uuid": logged.model_id,
        "artifact_path": logged.artifact_location,
    }
    try:
        with tempfile.TemporaryDirectory() as folder:
            model = _write(Path(folder), spec, tensors, Model(run_id=run_id, **known))
            client.log_model_artifacts(logged.model_id, f"{folder}/model")
    except BaseException:
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.FAILED)
        raise
    logged = client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return model.get_model_info(logged)


def _one_slot(saved: Path, slot: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What rebuilds the slot's network, and its tensors; those of other slots are not read."""
    with safe_open(saved, framework="pt") as file:
        spec = json.loads(file.metadata()[METADATA])
        slots = spec.pop("slots")
        if slot not in slots:
            raise ValueError(f"{saved} has no slot '{slot}'; it has {', '.join(slots)}")
        place = slots.index(slot)
        tensors = {name: file.get_slice(name)[place].contiguous() for name in file.keys()}  # noqa: SIM118
    for task, each in spec.pop("thresholds").items():
        spec["tasks"][task]["thresholds"] = each[place]
    return spec | {"slot": slot}, tensors


def _write(folder: Path, spec: dict[str, Any], tensors: Mapping[str, Tensor], model: Model) -> Model:
    """Write the package into `folder/model`."""
    files = {"spec": folder / "spec.json", "weights": folder / "weights.safetensors"}
    files["spec"].write_text(json.dumps(spec, indent=1, sort_keys=True), encoding="utf-8")
    save_file(dict(tensors), files["weights"])
    mlflow.pyfunc.save_model(
        folder / "model",
        mlflow_model=model,
        python_model=_CODE,
        artifacts={name: str(path) for name, path in files.items()},
        signature=ModelSignature(_inputs(spec["sources"].values()), _outputs(spec["tasks"])),
        input_example=_example(next(iter(spec["sources"].values()))),
        pip_requirements=[f"{name}=={_released(name)}" for name in _REQUIREMENTS],
        metadata={METADATA: {name: spec[name] for name in ("slot", "sources", "tasks")}},
    )
    return model


def _inputs(sources: Iterable[Mapping[str, Any]]) -> Schema:
    """The columns of all sources; those that only some sources have are optional."""
    every = [_columns(source) for source in sources]
    names = dict.fromkeys(name for columns in every for name in columns)
    return Schema(
        [
            ColSpec(
                next(columns[name] for columns in every if name in columns),
                name,
                required=all(name in columns for columns in every),
            )
            for name in names
        ]
    )


def _columns(source: Mapping[str, Any]) -> dict[str, Any]:
    """The types of a source's columns, by name."""
    if encoding := source.get("encoding"):
        # Any type: a whole column of whole numbers is no double to MLflow, and a category may be text or a number.
        return {column["name"]: AnyType() for column in encoding["columns"]}
    return dict.fromkeys(pixel_columns(int(np.prod(source["shape"]))), "double")  # float would refuse float64


def _example(source: Mapping[str, Any]) -> pd.DataFrame:
    """A row of a source."""
    if encoding := source.get("encoding"):
        row = {it["name"]: [it["mean"] if it["kind"] == "numeric" else it["values"][0]] for it in encoding["columns"]}
        return pd.DataFrame(row).set_axis(pd.Index(row, dtype=object), axis=1)
    # Names as plain objects: MLflow compares them with numbers, and pandas' own strings warn of that.
    names = pd.Index(pixel_columns(int(np.prod(source["shape"]))), dtype=object)
    return pd.DataFrame(np.zeros((1, len(names))), columns=names)


def _outputs(tasks: Mapping[str, Any]) -> Schema:
    columns: list[ColSpec | TensorSpec] = []
    for task, about in tasks.items():
        if about["kind"] == "regression":
            columns.append(ColSpec("double", f"{task}/value"))
            continue
        indices = range(len(about["classes"]))
        several = about["kind"] == "multilabel"
        columns += (
            [ColSpec("long", f"{task}/label/{i}") for i in indices] if several else [ColSpec("long", f"{task}/label")]
        )
        columns += [ColSpec("float", f"{task}/probability/{index}") for index in indices]
    return Schema(columns)


def _released(package: str) -> str:
    # A build's own suffix, such as +cpu, is on no index.
    return importlib.metadata.version(package).split("+")[0]
