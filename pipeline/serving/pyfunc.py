"""What MLflow loads of a model package: a copy of this file lies in it (models from code).

It imports nothing of `pipeline`: the code that makes the network lies in the package under a name of its own, so a
model is loaded where Headway is not installed, and models of several versions in one process. Nothing is unpickled.
"""

import importlib
import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel
from safetensors.torch import load_file


class ServedModel(PythonModel):
    """A model made of `spec.json` and `weights.safetensors`; see `serving/served.py` in its code."""

    def load_context(self, context: Any) -> None:
        """Build the networks; MLflow calls this when it loads the model."""
        self._spec = json.loads(Path(context.artifacts["spec"]).read_text(encoding="utf-8"))
        code = f"{self._spec['code']}.serving"
        spec = importlib.import_module(f"{code}.specification").Specification.of(self._spec)
        self._served = importlib.import_module(f"{code}.served").Served(spec, load_file(context.artifacts["weights"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict every task for every row; see `Served.predict`."""
        return self._served.predict(_frame(model_input), params)

    def answers(self, source: str, values: np.ndarray) -> pd.DataFrame:
        """Predict every task for rows [B, F] of a source that are encoded already; see `Served.answers`."""
        return self._served.answers(source, values)


def _frame(given: Any) -> pd.DataFrame:
    """Rows as a frame: MLflow's `inputs` are columns or rows by name, with arrays in the place of values."""
    if isinstance(given, pd.DataFrame):
        return given
    if isinstance(given, dict):
        return pd.DataFrame({name: [_value(it) for it in np.atleast_1d(column)] for name, column in given.items()})
    return pd.DataFrame([{name: _value(it) for name, it in row.items()} for row in given])


def _value(it: Any) -> Any:
    return it.item() if isinstance(it, np.ndarray) else it


mlflow.models.set_model(ServedModel())
