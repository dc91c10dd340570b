"""Model packages: one slot's network, logged as a model of the run that trained it.

A package is `served_model.py`, a spec and one slot's weights; `served_model` says what goes in and what comes out.
"""

import importlib.metadata
import json
import tempfile
import shutil
from collections.abc import Iterator, Mapping
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
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from pipeline.data.tables import pixel_columns
from pipeline.plugins import distribution
from pipeline.plugins import files as code_files

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
    sizes = sorted({int(np.prod(source["shape"])) for source in spec["sources"].values()})
    modules = {it["module"] for it in _described(spec["network"]) if it.get("kind") == "module"}
    installed = sorted({name for path in modules if (name := distribution(path))} - set(_REQUIREMENTS))
    code = _copied(folder / "code", sorted(path for path in modules if not distribution(path)))
    # Names as plain objects: MLflow compares them with numbers, and pandas' own strings warn of that.
    names = pd.Index(pixel_columns(sizes[0]), dtype=object)
    mlflow.pyfunc.save_model(
        folder / "model",
        mlflow_model=model,
        python_model=_CODE,
        artifacts={name: str(path) for name, path in files.items()},
        signature=ModelSignature(_inputs(sizes), _outputs(spec["tasks"])),
        input_example=pd.DataFrame(np.zeros((1, sizes[0])), columns=names),
        code_paths=code or None,
        pip_requirements=[f"{name}=={_released(name)}" for name in (*_REQUIREMENTS, *installed)],
        metadata={METADATA: {name: spec[name] for name in ("slot", "sources", "tasks")}},
    )
    return model


def _described(it: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping within a JSON value."""
    if isinstance(it, Mapping):
        yield it
    for inner in it.values() if isinstance(it, Mapping) else it if isinstance(it, list) else ():
        yield from _described(inner)


def _copied(folder: Path, modules: list[str]) -> list[str]:
    """Copy the code of modules of one's own, and answer what of it is to lie where modules are looked for."""
    for module in modules:
        for name, file in code_files(module).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / name)
    return [str(path) for path in sorted(folder.iterdir())] if modules else []


def _inputs(sizes: list[int]) -> Schema:
    """All pixels; those that only the rows of a larger source have are optional."""
    return Schema(
        [
            ColSpec("double", name, required=index < sizes[0])  # float would refuse frames of float64
            for index, name in enumerate(pixel_columns(sizes[-1]))
        ]
    )


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
