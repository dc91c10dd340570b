"""Model packages: one slot's network, or several that predict different tasks, logged as a model of a run.

A package is `pyfunc.py`, `spec.json`, the weights, and the code that makes the network.
Where a network has a module of the user's own, the Python files of that module's top-level package are in it too.
"""

import importlib.metadata
import json
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import pandas as pd
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from safetensors.torch import save_file
from torch import Tensor

from pipeline.data.encodings.values import NumberFormat
from pipeline.plugins import distribution
from pipeline.pretrained import PACKAGES
from pipeline.serving.code import copy_ours, copy_own, is_ours
from pipeline.serving.decisions import decision_of
from pipeline.serving.rows import Rows
from pipeline.serving.slots import METADATA, merged, one_slot
from pipeline.serving.specification import SourceSpec, Specification
from pipeline.tracking.requirements import without_scan

_LOADED = Path(__file__).with_name("pyfunc.py")
_LONG = 50_000  # letters of JSON
_REQUIREMENTS = ("mlflow", "torch", "pandas", "numpy", "safetensors")


def log_package(client: mlflow.MlflowClient, run_id: str, parts: Sequence[tuple[Path, str]], name: str) -> ModelInfo:
    """Log one slot of a saved stack, or several that predict different tasks; MLflow's active run is not touched.

    Args:
        client: Of the store.
        run_id: Of the run that it belongs to.
        parts: Each network's `model.safetensors` and the name of its slot there.
        name: Of the logged model.

    Returns:
        MLflow's description; its `model_uri`, `models:/m-...`, can be opened and registered.

    Raises:
        ValueError: A file has no such slot, or the networks cannot be one model, see `merged`.
    """
    spec, tensors = merged([one_slot(saved, slot) for saved, slot in parts])
    experiment = client.get_run(run_id).info.experiment_id
    logged = client.create_logged_model(experiment, name.replace(".", "_"), run_id)  # which takes no dot
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


def _write(folder: Path, spec: Specification, tensors: Mapping[str, Tensor], model: Model) -> Model:
    """Write the package into `folder/model`."""
    files, code = {"spec": folder / "spec.json", "weights": folder / "weights.safetensors"}, folder / "code"
    spec = replace(spec, code=copy_ours(spec, code))
    files["spec"].write_text(json.dumps(spec.json(), indent=1, sort_keys=True), encoding="utf-8")
    save_file(dict(tensors), files["weights"])
    modules = {it["module"] for it in spec.layers if it["kind"] == "module" and not is_ours(it["module"])}
    installed = {name for path in modules if (name := distribution(path))} - set(_REQUIREMENTS)
    if any(it.encoding.get("by") == "tokenizer" for it in spec.sources.values() if it.encoding):
        installed |= set(PACKAGES)
    copy_own(sorted(path for path in modules if not distribution(path)), code)
    with without_scan():
        mlflow.pyfunc.save_model(
            folder / "model",
            mlflow_model=model,
            python_model=_LOADED,
            artifacts={name: str(path) for name, path in files.items()},
            signature=(signature := _signature(spec)),
            input_example=_example(next(iter(spec.sources.values())), signature.inputs),
            code_paths=[str(path) for path in sorted(code.glob("*"))],
            pip_requirements=[f"{name}=={_released(name)}" for name in (*_REQUIREMENTS, *sorted(installed))],
            metadata={METADATA: _in_short(spec)},
        )
    return model


def _in_short(spec: Specification) -> dict[str, Any]:
    """The summary as metadata: these are YAML, of which ten thousand columns take seconds each time.

    What is long is left to the specification, and named under `in_spec`.
    """
    told = spec.summary()
    long = [name for name in ("sources", "tasks") if len(json.dumps(told[name])) > _LONG]
    return {name: it for name, it in told.items() if name not in long} | ({"in_spec": long} if long else {})


def _signature(spec: Specification) -> ModelSignature:
    """Columns in and out, and what a caller may ask for beside the rows."""
    found = {
        f"{task}/{name}": kind for task, it in spec.tasks.items() for name, kind in decision_of(it).columns().items()
    }
    columns = _inputs(spec.sources.values()), Schema([ColSpec(kind, name) for name, kind in found.items()])
    if not spec.preference:
        return ModelSignature(*columns)
    asked = ParamSpec("preference", "double", default=spec.preference["shares"], shape=(-1,))
    return ModelSignature(*columns, ParamSchema([asked]))


def _inputs(sources: Collection[SourceSpec]) -> Schema | None:
    """The columns of tables, or of text; those that only some sources have are optional.

    Numbers are double and all else is string: so MLflow's server reads CSV, and every form of JSON, without guessing
    types. None with images, which may come as lists of pixels, and where sources are of several kinds: to MLflow,
    columns that have names cannot come without.
    """
    kinds = {source.kind for source in sources}
    if kinds not in ({"table"}, {"text"}):
        return None
    every = [_types(source) for source in sources]
    found = {name: kind for columns in every for name, kind in columns.items()}
    # What is a number to one table, and none to another, can be read from text.
    types = {
        name: kind if all(it.get(name, kind) == kind for it in every) else "string" for name, kind in found.items()
    }
    return Schema([ColSpec(it, name, required=all(name in own for own in every)) for name, it in types.items()])


def _types(source: SourceSpec) -> dict[str, str]:
    """MLflow's types of the columns of a table, or of text."""
    if source.kind == "text":
        return dict.fromkeys(Rows.of("", source).columns, "string")
    about = source.encoding or {}
    numbers = "string" if NumberFormat.of(about).about or _own_gaps(about.get("missing") or ()) else "double"
    return {it["name"]: numbers if it["kind"] == "numeric" else "string" for it in about["columns"]}


def _own_gaps(missing: Collection[str]) -> bool:
    """Whether words mark missing values that are no numbers: in a column of type double MLflow refuses them."""
    return len(NumberFormat().numbers(missing)) < len(missing)


def _example(source: SourceSpec, inputs: Schema | None) -> pd.DataFrame:
    """A row of a source, whose numbers are text where the signature's inputs are."""
    names = Rows.of("", source).columns
    row: list[Any] = [0.0] * len(names)
    if source.kind == "text":
        row = ["Leaving Berlin for Paris ."]
    elif source.encoding:
        row = [_value(it) for it in source.encoding["columns"]]
        types = {it.name: it.type for it in inputs.inputs} if inputs else {}
        # A whole number below 1,000 has no mark in it, whichever the table's are.
        row = [
            str(round(it) % 1000) if isinstance(it, float) and types.get(name) == DataType.string else it
            for name, it in zip(names, row, strict=True)
        ]
    # Names as plain objects: MLflow compares them with numbers, and pandas' own strings warn of that.
    return pd.DataFrame([row], columns=pd.Index(names, dtype=object))


def _value(column: Mapping[str, Any]) -> Any:
    """One that a column may have."""
    if column["kind"] == "numeric":
        return column["mean"]
    if column["kind"] == "categorical":
        return column["values"][0]
    return "2024-05-31" if column["kind"] == "date" else "a few words"


def _released(package: str) -> str:
    # A build's own suffix, such as +cpu, is on no index.
    return importlib.metadata.version(package).split("+")[0]
