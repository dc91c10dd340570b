"""Model packages: one slot's network, or several that answer each its tasks, logged as a model of a run.

A package is `served_model.py`, a spec and the slots' weights; `served_model` says what goes in and what comes out.
Where a network has a module of the user's own, the Python files of that module's top-level package are in it too.
"""

import hashlib
import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from pipeline.data.tables import pixel_columns
from pipeline.plugins import distribution
from pipeline.plugins import files as code_files
from pipeline.pretrained import PACKAGES
from pipeline.serving.merged import merged
from pipeline.serving.served_text import COLUMN, is_text
from pipeline.tracking.requirements import without_scan

METADATA = "headway"
IN_SPEC = "in_spec"
"""Names what the metadata leave to the spec: they are YAML, of which ten thousand columns take seconds each time."""
"""The entry that a saved stack and a logged model describe themselves under."""

_CODE = Path(__file__).with_name("served_model.py")
_PACKAGE = Path(__file__).parents[2]
OWN_MODULES = "pipeline.model.modules."
"""Where the modules of our own trunks are."""
EMBEDDINGS = {
    "category_embedding": ("CategoryEmbedding", ("numbers", "sizes", "width")),
    "number_embedding": ("NumberEmbedding", ("numbers", "width")),
}
"""Layers that `served_table` has: their classes, and what these are made of."""
_VOCABULARY = ("words", "tokenizer")
_LONG = 50_000  # letters of JSON
_MADE_BY = {
    **dict.fromkeys(("mixtures", "softmax", "constant", "selection", "attended"), "served_sharing"),
    "preference": "served_preference",
}
"""Layers that other files than `served_model` make."""
_REQUIREMENTS = ("mlflow", "torch", "pandas", "numpy", "safetensors")


def log_package(client: mlflow.MlflowClient, run_id: str, parts: Sequence[tuple[Path, str]], name: str) -> ModelInfo:
    """Log one slot of a saved stack, or several that answer other tasks each; MLflow's active run is not touched.

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


def one_slot(saved: Path, slot: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
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
    code = _own_code(spec, folder / "code")
    files["spec"].write_text(json.dumps(spec, indent=1, sort_keys=True), encoding="utf-8")
    save_file(dict(tensors), files["weights"])
    modules = {it["module"] for it in _described(spec["network"]) if it.get("kind") == "module"} - code
    installed = {name for path in modules if (name := distribution(path))} - set(_REQUIREMENTS)
    if any(it.get("by") == "tokenizer" for it in _described(spec["sources"])):
        installed |= set(PACKAGES)
    _copy(folder / "code", sorted(path for path in modules if not distribution(path)))
    slots: dict[str, Any] = {name: spec[name] for name in ("slot", "slots") if name in spec}
    about = slots | _in_short(spec)
    preference = _preference(spec["network"])
    with without_scan():
        mlflow.pyfunc.save_model(
            folder / "model",
            mlflow_model=model,
            python_model=_CODE,
            artifacts={name: str(path) for name, path in files.items()},
            signature=_signature(spec, preference),
            input_example=_example(next(iter(spec["sources"].values()))),
            code_paths=[str(path) for path in sorted((folder / "code").glob("*"))] or None,
            pip_requirements=[f"{name}=={_released(name)}" for name in (*_REQUIREMENTS, *sorted(installed))],
            metadata={METADATA: about | ({"preference": preference} if preference else {})},
        )
    return model


def _described(it: Any) -> Iterator[dict[str, Any]]:
    """Every mapping within a JSON value."""
    if isinstance(it, dict):
        yield it
    for inner in it.values() if isinstance(it, dict) else it if isinstance(it, list) else ():
        yield from _described(inner)


def _copy(folder: Path, modules: list[str]) -> None:
    """Copy the code of modules of one's own to where modules are looked for."""
    for module in modules:
        for name, file in code_files(module).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / name)


def _own_code(spec: dict[str, Any], folder: Path) -> set[str]:
    """Copy the files of ours that the model imports, and write into the spec what they are called there.

    Their names end in a hash of them: several models in one process find each its own.

    Returns:
        The modules of the network that come from them.
    """
    found = set()
    spec["code"] = {}
    if any(is_text(source) for source in spec["sources"].values()):
        files = {"words": _PACKAGE / "pipeline/data/encodings/words.py", "text": _CODE.with_name("served_text.py")}
        spec["code"] |= {name: _copied(file, folder) for name, file in files.items()}
    if any(is_table(source) for source in spec["sources"].values()):
        spec["code"] |= {"table": _copied(_CODE.with_name("served_table.py"), folder)}
    if _preference(spec["network"]):
        spec["code"] |= {"preference": _copied(_CODE.with_name("served_preference.py"), folder)}
    add_code(spec["network"], lambda name: _copied(_CODE.with_name(f"{name}.py"), folder))
    for it in _described(spec["network"]):
        if it.get("kind") == "module" and it["module"].startswith(OWN_MODULES):
            module, name = it["module"].split(":")
            it["module"] = f"{_copied((_PACKAGE / module.replace('.', '/')).with_suffix('.py'), folder)}:{name}"
            found.add(it["module"])
        if (module := as_module(it, spec["code"])) is not None:
            it.clear()
            it.update(module)
            found.add(it["module"])
    return found


def as_module(layer: Mapping[str, Any], code: Mapping[str, str]) -> dict[str, Any] | None:
    """A layer that `served_text` or `served_table` has as the module that it is there; None of other layers.

    Args:
        layer: As the network describes it.
        code: What these files are called, `text` and `table`.
    """
    kind = str(layer.get("kind"))
    if kind in ("tokens", "pooled"):
        arguments = {"part": kind, "length": layer["length"], "width": layer["width"]}
        shape = [(layer["length"] + 1) * layer["width"]]
        return {"kind": "module", "module": f"{code['text']}:OfText", "arguments": arguments, "shape": shape}
    if kind in EMBEDDINGS:
        name, needed = EMBEDDINGS[kind]
        arguments = {argument: layer[argument] for argument in needed}
        return {"kind": "module", "module": f"{code['table']}:{name}", "arguments": arguments, "shape": layer["shape"]}
    return None


def add_code(network: dict[str, Any], code: Callable[[str], str]) -> None:
    """Write into the parts of a network that `served_sharing` and `served_preference` make where these are found."""
    for it in _described(network):
        if name := "served_sharing" if "reads" in it else _MADE_BY.get(str(it.get("kind"))):
            it["code"] = code(name)


def _copied(file: Path, folder: Path) -> str:
    """Copy a file, and answer the name under which it is imported."""
    folder.mkdir(exist_ok=True)
    name = f"headway_{file.stem}_{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
    shutil.copyfile(file, folder / f"{name}.py")
    return name


def _in_short(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Sources and tasks as the metadata have them, without vocabularies; what is long is left to the spec."""
    short = {name: dict(source) for name, source in spec["sources"].items()}
    for source in short.values():
        if is_text(source):
            source["encoding"] = {name: it for name, it in source["encoding"].items() if name not in _VOCABULARY}
    parts = {"sources": short, "tasks": spec["tasks"]}
    long = [name for name, it in parts.items() if len(json.dumps(it)) > _LONG]
    return {name: it for name, it in parts.items() if name not in long} | ({IN_SPEC: long} if long else {})


def is_table(source: Mapping[str, Any]) -> bool:
    """Whether a source of a spec is a table."""
    return bool(source.get("encoding", {}).get("kind") == "table")


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
    if is_text(source):
        return {COLUMN: "string"}
    if encoding := source.get("encoding"):
        # Any type: a whole column of whole numbers is no double to MLflow, and a category may be text or a number.
        return {column["name"]: AnyType() for column in encoding["columns"]}
    return dict.fromkeys(pixel_columns(int(np.prod(source["shape"]))), "double")  # float would refuse float64


def _example(source: Mapping[str, Any]) -> pd.DataFrame:
    """A row of a source."""
    if is_text(source):
        return pd.DataFrame([["Leaving Berlin for Paris ."]], columns=pd.Index([COLUMN], dtype=object))
    if encoding := source.get("encoding"):
        row = {it["name"]: [it["mean"] if it["kind"] == "numeric" else it["values"][0]] for it in encoding["columns"]}
        return pd.DataFrame(row).set_axis(pd.Index(row, dtype=object), axis=1)
    # Names as plain objects: MLflow compares them with numbers, and pandas' own strings warn of that.
    names = pd.Index(pixel_columns(int(np.prod(source["shape"]))), dtype=object)
    return pd.DataFrame(np.zeros((1, len(names))), columns=names)


def _preference(network: Mapping[str, Any]) -> dict[str, Any]:
    """The `shares` by which a network answers and whose they are, `tasks`; empty where it is given no preference."""
    layers = (it for it in _described(network) if it.get("kind") == "preference")
    return next(({name: it[name] for name in ("tasks", "shares")} for it in layers), {})


def _signature(spec: Mapping[str, Any], preference: Mapping[str, Any]) -> ModelSignature:
    """Columns in and out, and what a caller may ask for beside the rows."""
    columns = _inputs(spec["sources"].values()), _outputs(spec["tasks"])
    if not preference:
        return ModelSignature(*columns)
    asked = ParamSpec("preference", "double", default=preference["shares"], shape=(-1,))
    return ModelSignature(*columns, ParamSchema([asked]))


def _outputs(tasks: Mapping[str, Any]) -> Schema:
    columns: list[ColSpec | TensorSpec] = []
    for task, about in tasks.items():
        if about["kind"] == "regression":
            columns.append(ColSpec("double", f"{task}/value"))
            continue
        if about["kind"] == "tagging":
            columns += [ColSpec("string", f"{task}/tags"), ColSpec("string", f"{task}/entities")]
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
