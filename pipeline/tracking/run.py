"""One MLflow run: parameters, metrics, tags and artifacts, written in batches."""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from pipeline.errors import Failure, StudyStopped, UserError
from pipeline.printable import markdown
from pipeline.store_keys import keys_of
from pipeline.tracking import process
from pipeline.tracking.tags import OUTCOME, PROCESS
from pipeline.urls import scrubbed

_METRICS_A_CALL, _PARAMS_A_CALL = 900, 100  # together MLflow's limit per call
_LONGEST_PARAM = 6000

METRIC_NAMES = "metric_names.json"
"""The artifact with the names of metrics that stand under other keys, by key; see `pipeline.store_keys`."""

T = TypeVar("T")


@dataclass
class Run:
    """A run by its ID; MLflow's active run is not used.

    Attributes:
        client: Client of the store.
        id: ID of the run.
        resumed: Whether another process started the run; what is logged already is then not logged again.
    """

    client: mlflow.MlflowClient
    id: str
    resumed: bool = False
    _logged: dict[str, set[int]] = field(default_factory=dict, repr=False)

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters, except those that the run already has (a launcher logs its own)."""
        present = self.client.get_run(self.id).data.params
        self._send([param for param in _params(values) if param.key not in present], [])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log finite metrics at a step, except steps that a resumed run already has."""
        self.curves([values], step)

    def curves(self, rows: Sequence[Mapping[str, float]], first: int = 1) -> None:
        """Log finite metrics of consecutive steps from a first one on, except steps that a resumed run already has."""
        points = _points(rows, first)
        if self.resumed:
            points = [point for point in points if point.step not in self._steps(point.key)]
        self._send([], points)

    def fill(
        self,
        params: Mapping[str, Any],
        rows: Sequence[Mapping[str, float]],
        values: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Log all parameters, curves and single values of a run that has none yet, in one call if they fit."""
        self._send(_params(params), [*_points([values], 0), *_points(rows)])

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self.client.log_batch(self.id, tags=[RunTag(key, value) for key, value in values.items()])

    def artifacts(self, folder: Path) -> None:
        """Log all files in a folder as artifacts."""
        self.client.log_artifacts(self.id, str(folder))

    def text(self, content: str, name: str) -> None:
        """Log a text as an artifact."""
        self.client.log_text(self.id, content, name)

    def artifact(self, file: Path) -> None:
        """Log a file as an artifact."""
        self.client.log_artifact(self.id, str(file))

    def describe(self, text: str) -> None:
        """Describe the run, in Markdown."""
        self.tags({MLFLOW_RUN_NOTE: text})

    def rename(self, name: str) -> None:
        """Give the run another name."""
        self.client.update_run(self.id, name=name)

    def datasets(self, inputs: Sequence[DatasetInput]) -> None:
        """Log data sets that other runs have read, each once."""
        if inputs:
            self.client.log_inputs(self.id, list({(it.dataset.name, it.dataset.digest): it for it in inputs}.values()))

    def model(self, model_id: str) -> None:
        """Log that a model came of the run."""
        self.client.log_outputs(self.id, [LoggedModelOutput(model_id, step=0)])

    def dataset(self, name: str, digest: str, source: str, context: str) -> None:
        """Log a data set that the run reads: its digest (at most 36 characters), source and context."""
        dataset = Dataset(name, digest, "local", json.dumps({"uri": source}))
        self.client.log_inputs(self.id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])

    @contextmanager
    def outcome_recorded(self) -> Iterator[None]:
        """End the run when the block ends: FINISHED, FAILED with the error's message, or KILLED on a signal."""
        try:
            yield
        except Exception as error:
            text = " ".join(scrubbed(str(error)).split())
            expected = isinstance(error, UserError | Failure)
            if not self._is_taken_over():
                status = "KILLED" if isinstance(error, StudyStopped) else "FAILED"
                self._conclude(status, text if expected else f"{type(error).__name__}: {text}")
            raise
        except BaseException:  # Ctrl-C or a signal
            self._conclude("KILLED", "interrupted")
            raise
        self._conclude("FINISHED", "finished")

    def _is_taken_over(self) -> bool:
        """Whether another process goes on with the run."""
        owner = self.client.get_run(self.id).data.tags.get(PROCESS)
        return owner is not None and owner != process.identity()

    def _conclude(self, status: str, outcome: str) -> None:
        self.tags({OUTCOME: outcome} | (unfinished(status, outcome) if status != "FINISHED" else {}))
        self.end(status)

    def end(self, status: str, at: datetime | None = None) -> None:
        """End the run with status FINISHED, FAILED or KILLED, now or at a given time."""
        self.client.set_terminated(self.id, status, milliseconds(at))

    def _send(self, params: Sequence[Param], metrics: Sequence[Metric]) -> None:
        for some, points in zip_longest(_cut(params, _PARAMS_A_CALL), _cut(metrics, _METRICS_A_CALL), fillvalue=()):
            self.client.log_batch(self.id, metrics=points, params=some)

    def _steps(self, key: str) -> set[int]:
        if key not in self._logged:
            self._logged[key] = {point.step for point in self.client.get_metric_history(self.id, key)}
        return self._logged[key]


def unfinished(status: str, outcome: str) -> dict[str, str]:
    """The description, as a tag, of a run that did not finish; one that goes on gets another."""
    return {MLFLOW_RUN_NOTE: f"**{status.capitalize()}:** {markdown(outcome)}"}


def _params(values: Mapping[str, Any]) -> list[Param]:
    keys = keys_of(values)
    return [Param(keys[name], str(value)[:_LONGEST_PARAM]) for name, value in values.items()]


def _points(rows: Sequence[Mapping[str, float]], first: int = 1) -> list[Metric]:
    """The finite metrics of consecutive steps."""
    now = int(time.time() * 1000)
    return [
        Metric(key, value, now, step)
        for step, values in enumerate(rows, start=first)
        for key, value in values.items()
        if math.isfinite(value)
    ]


def _cut(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def milliseconds(at: datetime | None) -> int | None:
    """A time in milliseconds since 1970, as in MLflow; None stays None, which MLflow takes as now."""
    return int(at.timestamp() * 1000) if at else None
