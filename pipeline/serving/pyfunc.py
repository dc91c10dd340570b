"""What MLflow loads of a model package: a copy of this file lies in it (models from code).

It imports nothing of `pipeline`: the code that makes the network lies in the package under a name of its own, so a
model is loaded where Headway is not installed, and models of several versions in one process. Nothing is unpickled.
"""

import importlib
import json
import math
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel
from safetensors.torch import load_file


class WrongInput(mlflow.MlflowException, ValueError):
    """What a caller gave has no answer: to MLflow's server status 400, in Python a ValueError.

    Args:
        error: Why.
    """

    def __init__(self, error: ValueError) -> None:
        super().__init__(str(error), INVALID_PARAMETER_VALUE)
        # Of a `RowError`, of which the code has a class of its own.
        self.row, self.what = getattr(error, "row", None), getattr(error, "what", str(error))


class ServedModel(PythonModel):
    """A model made of `spec.json` and `weights.safetensors`; see `serving/served.py` in its code."""

    def load_context(self, context: Any) -> None:
        """Build the networks; MLflow calls this when it loads the model."""
        self._spec = json.loads(Path(context.artifacts["spec"]).read_text(encoding="utf-8"))
        code = f"{self._spec['code']}.serving"
        spec = importlib.import_module(f"{code}.specification").Specification.of(self._spec)
        self._served = importlib.import_module(f"{code}.served").Served(spec, load_file(context.artifacts["weights"]))
        encodings = [it.encoding or {} for it in spec.sources.values()]
        columns = [it for about in encodings if about.get("kind") == "table" for it in about["columns"]]
        self._not_categories = {it["name"] for it in columns if it["kind"] != "categorical"}
        self._images = list(dict.fromkeys(tuple(it.shape) for it in spec.sources.values() if it.kind == "pixels"))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict every task for every row; see `Served.predict`.

        Args:
            context: MLflow's; None where a frame is read as it is.
            model_input: A frame; or what MLflow makes of a request: columns or rows by name, images as numbers
                [B, F] or in their own shape, or texts.
            params: See `Served.predict`.

        Raises:
            WrongInput: It is none of these, or a value is wrong.
        """
        try:
            frame = self._frame(model_input)
            if frame.shape == (0, 0) or (not len(frame) and not isinstance(model_input, pd.DataFrame)):
                raise ValueError("no rows")
            return self._served.predict(frame if context is None else self._with_gaps(frame), params)
        except ValueError as error:
            raise WrongInput(error) from None

    def answers(self, source: str, values: np.ndarray) -> pd.DataFrame:
        """Predict every task for rows [B, F] of a source that are encoded already; see `Served.answers`."""
        return self._served.answers(source, values)

    def _frame(self, given: Any) -> pd.DataFrame:
        """Rows as a frame: MLflow's `inputs` have arrays in the place of values."""
        if isinstance(given, pd.DataFrame):
            return given
        if isinstance(given, dict):
            lists = {name: it if isinstance(it, list) else np.atleast_1d(it) for name, it in given.items()}
            columns = {name: [_value(it) for it in column] for name, column in lists.items()}
            if len(set(map(len, columns.values()))) > 1:
                raise ValueError("the columns are not of one length")
            return pd.DataFrame(columns)
        if isinstance(given, list) and all(isinstance(row, dict) for row in given):
            return pd.DataFrame([{name: _value(it) for name, it in row.items()} for row in given])
        values = _array(given)
        if values.ndim == 1 and all(isinstance(it, str) for it in values.tolist()):
            return pd.DataFrame({"text": pd.Series(values.tolist(), dtype=object)})
        return self._pixels(values)

    def _pixels(self, values: np.ndarray) -> pd.DataFrame:
        """Images [B, F], or in their own shape, as a frame."""
        if not len(values):
            return pd.DataFrame()
        shape = values.shape[1:]
        if not any(shape == (math.prod(it),) or _sides(shape) == _sides(it) for it in self._images):
            known = " or ".join(f"{math.prod(it)} numbers, or {' x '.join(map(str, it))}" for it in self._images)
            raise ValueError(f"rows of {_sized(shape)}: " + (f"an image is {known}" if known else "name the columns"))
        try:
            numbers = values.astype(np.float64).reshape(len(values), -1)
        except (ValueError, TypeError):
            raise ValueError("an image has a value that is no number") from None
        except OverflowError:
            raise ValueError("an image has a number that is too large") from None
        return pd.DataFrame(numbers, columns=[f"pixel_{place}" for place in range(numbers.shape[1])], copy=False)

    def _with_gaps(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A frame from MLflow, which makes the text None of a missing value in `inputs` and `instances`.

        As a category this is one that training never showed, and so counts as missing already.
        """
        texts = [name for name in self._not_categories & set(frame.columns) if frame[name].dtype.kind not in "biuf"]
        return frame.assign(**{name: frame[name].mask(frame[name] == "None") for name in texts}) if texts else frame


def _array(given: Any) -> np.ndarray:
    """Rows as an array [B, ...].

    Raises:
        ValueError: They are none, or not of one shape.
    """
    try:
        values = np.asarray(given)
    except ValueError:  # numpy's names no row
        raise ValueError(_uneven(given)) from None
    if not values.ndim:
        raise ValueError("the input is no list of rows")
    return values


def _uneven(rows: Any) -> str:
    """Which is the first of some rows that is not as the first one, and why."""
    first = None
    for place, row in enumerate(rows):
        try:
            shape = np.shape(row)
        except ValueError:
            return f"row {place} (from 0): its lists are of several lengths, or nested too deeply"
        first = shape if first is None else first
        if shape != first:
            return f"row {place} (from 0) has {_sized(shape)}, row 0 has {_sized(first)}"
    return "the rows are not of one shape"


def _sized(shape: tuple[int, ...]) -> str:
    """`2 x 3 numbers`."""
    return f"{' x '.join(map(str, shape)) or 1} number{'' if math.prod(shape) == 1 else 's'}"


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sides of an image that are longer than 1: grey ones may have an axis of colours or none."""
    return tuple(side for side in shape if side > 1)


def _value(it: Any) -> Any:
    return it.tolist() if isinstance(it, np.ndarray) else it  # the one value where it has no axis


mlflow.models.set_model(ServedModel())
