"""Opening a model by its URI, without unpickling anything."""

import os
import re
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import mlflow
import mlflow.artifacts
import mlflow.pyfunc
import pandas as pd
from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel
from safetensors.torch import load_file
from torch import Tensor

from pipeline.errors import Failure, UserError
from pipeline.serving.slots import METADATA
from pipeline.serving.specification import Specification
from pipeline.serving.trusted import check_trusted
from pipeline.tracking.requirements import without_scan
from pipeline.tracking.store import check_store

_FORMS = "models:/NAME@champion, models:/NAME/1, models:/m-... or runs:/RUN/NAME"
_LOADER = "mlflow.pyfunc.loaders.code_model"
_PICKLED = {".pkl", ".pickle", ".pck", ".pt", ".pth", ".ckpt", ".bin", ".joblib", ".dill", ".cloudpickle", ".skops"}
_SWITCH = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"
_UNKNOWN = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class OpenModel(PyFuncModel):
    """A model whose `predict` reads values of all types as `headway predict` does.

    MLflow's own refuses what its signature does not name, such as whole numbers in a column of type double.

    Attributes:
        folder: Its package, as long as the model lives.
    """

    folder: Path

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """The model's answers to a frame, see `pipeline.serving.served.Served.predict`.

        Those of earlier versions answer classes by numbers alone; their names stand behind these.
        """
        answers: pd.DataFrame = self.unwrap_python_model().predict(None, data, params)
        for task, classes in self._classes.items():
            if (label := f"{task}/label") in answers and (name := f"{task}/class") not in answers:
                answers.insert(answers.columns.get_loc(label) + 1, name, [classes[it] for it in answers[label]])
        return answers

    @cached_property
    def _classes(self) -> dict[str, Sequence[str]]:
        """Names of each task's classes."""
        return {task: it.classes for task, it in Specification.of(self.unwrap_python_model()._spec).tasks.items()}


def open_model(uri: str) -> OpenModel:
    """Fetch a model from MLflow's current store, look at what it is made of, and only then load it.

    Args:
        uri: `models:/NAME@alias`, `models:/NAME/version`, `models:/m-...` or `runs:/run/name`.

    Raises:
        UserError: There is no such model, it would need unpickling, or it names what is not its own.
        Failure: The store does not answer, or the model cannot be loaded here.
    """
    if not re.fullmatch(r"(models|runs):/[^/].*", uri):
        raise UserError(f"'{uri}' is no model URI: write {_FORMS}")
    check_store(mlflow.get_tracking_uri())
    folder = tempfile.TemporaryDirectory(prefix="headway-model-")
    try:
        path = _fetch(uri, folder.name)
        check_trusted(uri, path, _without_pickles(uri, path))
        model = _load(uri, path)
    except BaseException:
        folder.cleanup()
        raise
    weakref.finalize(model, folder.cleanup)  # a model may read its files at any time
    return model


def open_folder(folder: Path) -> OpenModel:
    """Load a model from the folder of its package, after a look at what it is made of.

    Raises:
        UserError: It is none, it would need unpickling, or it names what is not its own.
        Failure: It cannot be loaded here.
    """
    name = str(folder)
    check_trusted(name, folder, _without_pickles(name, folder))
    return _load(name, folder.resolve())


def open_network(uri: str) -> tuple[OpenModel, Specification, dict[str, Tensor]]:
    """Open a model of Headway's as `open_model` does.

    Returns:
        The model, its specification, and its weights by name.

    Raises:
        UserError: As in `open_model`, or it is none of Headway's.
        Failure: As in `open_model`.
    """
    model = open_model(uri)
    weights = model.metadata.flavors[mlflow.pyfunc.FLAVOR_NAME]["artifacts"]["weights"]["path"]
    return model, specified(model), load_file(model.folder / weights)


def described(model: PyFuncModel) -> dict[str, Any]:
    """What a model of Headway's says of itself, see `Specification.summary`; those of earlier versions say the same.

    Raises:
        UserError: It is none of Headway's.
    """
    return specified(model).summary()


def specified(model: PyFuncModel) -> Specification:
    """The specification of a model of Headway's.

    Raises:
        UserError: It is none of Headway's.
    """
    if METADATA not in (model.metadata.metadata or {}):
        raise UserError("this model was not logged by Headway: it does not say which sources and tasks it knows")
    return Specification.of(model.unwrap_python_model()._spec)


def _fetch(uri: str, folder: str) -> Path:
    try:
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
    except mlflow.MlflowException as error:
        line = _line(error)
        if error.error_code in _UNKNOWN or line.startswith(("No versions of", "Not a proper")):
            raise UserError(f"no model {uri}: {line}; write {_FORMS}") from error
        raise Failure(f"model {uri} cannot be fetched: {line}") from error
    except OSError as error:
        raise Failure(f"model {uri} cannot be fetched: {_line(error)}") from error


def _without_pickles(uri: str, path: Path) -> dict[str, Any]:
    """Read the model's own description, and look at the names of its files; nothing of it is run.

    Returns:
        What it says of MLflow's `python_function`.

    Raises:
        UserError: It is none, or would need unpickling.
    """
    try:
        flavors: dict[str, Any] = Model.load(str(path)).flavors
    except Exception as error:  # whatever a broken file makes MLflow raise
        raise UserError(f"{uri} is no MLflow model: {_line(error)}") from error
    if others := sorted(set(flavors) - {mlflow.pyfunc.FLAVOR_NAME}):
        _refuse(uri, f"it has the flavor {others[0]}")
    own = flavors.get(mlflow.pyfunc.FLAVOR_NAME, {})
    if own.get("loader_module") != _LOADER or "model_code_path" not in own or "python_model" in own:
        _refuse(uri, "its Python object is stored, not its code")
    for file in sorted(path.rglob("*")):
        if _PICKLED & {suffix.lower() for suffix in file.suffixes}:
            _refuse(uri, f"it holds {file.relative_to(path)}")
    return own


def _refuse(uri: str, why: str) -> None:
    raise UserError(f"{uri} would need unpickling ({why}), which can run anything: log it from code, without pickles")


def _load(uri: str, path: Path) -> OpenModel:
    try:
        with _no_unpickling(), without_scan():
            model = mlflow.pyfunc.load_model(str(path))
    except Exception as error:  # a model's own code may raise anything
        raise Failure(f"model {uri} cannot be loaded here: {_line(error)}") from error
    model.__class__ = OpenModel
    model.folder = path
    return cast(OpenModel, model)


@contextmanager
def _no_unpickling() -> Iterator[None]:
    before = os.environ.get(_SWITCH)
    os.environ[_SWITCH] = "false"
    try:
        yield
    finally:
        os.environ.pop(_SWITCH)
        if before is not None:
            os.environ[_SWITCH] = before


def _line(error: Exception) -> str:
    """An error's first line."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
