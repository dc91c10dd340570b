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
from typing import Any, TypeVar

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from pipeline.errors import Failure, UserError
from pipeline.tracking.tags import OUTCOME

_METRICS_A_CALL, _PARAMS_A_CALL = 900, 100  # together the most that MLflow takes
_LONGEST_PARAM = 6000

T = TypeVar("T")


@dataclass
class Run:
    """A run known by its id; nothing here touches MLflow's active run.

    Attributes:
        client: Of the store.
        id: Of the run.
        resumed: It was begun by another process: what is logged already stays as it is.
    """

    client: mlflow.MlflowClient
    id: str
    resumed: bool = False
    _logged: dict[str, set[int]] = field(default_factory=dict, repr=False)

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters; keys that the run has already are left (a launcher logs its own)."""
        present = self.client.get_run(self.id).data.params
        self._send(_params({key: value for key, value in values.items() if key not in present}), [])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log finite metrics at a step; steps that the run has already are left."""
        self.curves([values], step)

    def curves(self, rows: Sequence[Mapping[str, float]], first: int = 1) -> None:
        """Log finite metrics of several steps in a row, the first of that number, as `metrics` does."""
        points = _points(rows, first)
        if self.resumed:
            points = [point for point in points if point.step not in self._steps(point.key)]
        self._send([], points)

    def fill(self, params: Mapping[str, Any], rows: Sequence[Mapping[str, float]]) -> None:
        """Log all parameters and curves of a run that has none yet, in one call if they go into one."""
        self._send(_params(params), _points(rows))

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self.client.log_batch(self.id, tags=[RunTag(key, value) for key, value in values.items()])

    def artifacts(self, folder: Path) -> None:
        """Log everything in a folder."""
        self.client.log_artifacts(self.id, str(folder))

    def text(self, content: str, name: str) -> None:
        """Log a text as an artifact."""
        self.client.log_text(self.id, content, name)

    def dataset(self, name: str, digest: str, source: str, context: str) -> None:
        """Note a data set that the run reads: its digest (36 characters at most), where it is, and what for."""
        dataset = Dataset(name, digest, "local", json.dumps({"uri": source}))
        self.client.log_inputs(self.id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])

    @contextmanager
    def outcome_recorded(self) -> Iterator[None]:
        """End the run as what is done inside ends: FINISHED, FAILED and why, or KILLED when told to end."""
        try:
            yield
        except Exception as error:
            text = " ".join(str(error).split())
            expected = isinstance(error, UserError | Failure)
            self._conclude("FAILED", text if expected else f"{type(error).__name__}: {text}")
            raise
        except BaseException:  # Ctrl-C or a signal
            self._conclude("KILLED", "interrupted")
            raise
        self._conclude("FINISHED", "finished")

    def _conclude(self, status: str, outcome: str) -> None:
        self.tags({OUTCOME: outcome})
        self.end(status)

    def end(self, status: str, at: datetime | None = None) -> None:
        """End the run, now or at a time that has passed: FINISHED, FAILED or KILLED."""
        self.client.set_terminated(self.id, status, milliseconds(at))

    def _send(self, params: Sequence[Param], metrics: Sequence[Metric]) -> None:
        for some, points in zip_longest(_cut(params, _PARAMS_A_CALL), _cut(metrics, _METRICS_A_CALL), fillvalue=()):
            self.client.log_batch(self.id, metrics=points, params=some)

    def _steps(self, key: str) -> set[int]:
        if key not in self._logged:
            self._logged[key] = {point.step for point in self.client.get_metric_history(self.id, key)}
        return self._logged[key]


def _params(values: Mapping[str, Any]) -> list[Param]:
    return [Param(key, str(value)[:_LONGEST_PARAM]) for key, value in values.items()]


def _points(rows: Sequence[Mapping[str, float]], first: int = 1) -> list[Metric]:
    """The finite metrics of steps in a row."""
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
    """A time as MLflow counts it, since 1970; None stays None, which MLflow reads as now."""
    return int(at.timestamp() * 1000) if at else None
