"""One MLflow run: parameters, metrics, tags and artifacts, written in batches."""

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from pipeline.errors import Failure, UserError
from pipeline.tracking.tags import OUTCOME

_METRICS_A_CALL = 1000
_PARAMS_A_CALL = 100
_LONGEST_PARAM = 6000


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
        fresh = [Param(key, str(value)[:_LONGEST_PARAM]) for key, value in values.items() if key not in present]
        for start in range(0, len(fresh), _PARAMS_A_CALL):
            self.client.log_batch(self.id, params=fresh[start : start + _PARAMS_A_CALL])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log finite metrics at a step; steps that the run has already are left."""
        now = int(time.time() * 1000)
        self._send(
            Metric(key, value, now, step)
            for key, value in values.items()
            if math.isfinite(value) and not (self.resumed and step in self._steps(key))
        )

    def curves(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log finite metrics of many steps at once, from step 1."""
        now = int(time.time() * 1000)
        self._send(
            Metric(key, value, now, step)
            for step, values in enumerate(rows, start=1)
            for key, value in values.items()
            if math.isfinite(value)
        )

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
    def ended_truly(self) -> Iterator[None]:
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

    def _send(self, metrics: Iterable[Metric]) -> None:
        waiting = list(metrics)
        for start in range(0, len(waiting), _METRICS_A_CALL):
            self.client.log_batch(self.id, metrics=waiting[start : start + _METRICS_A_CALL])

    def _steps(self, key: str) -> set[int]:
        if key not in self._logged:
            self._logged[key] = {point.step for point in self.client.get_metric_history(self.id, key)}
        return self._logged[key]


def milliseconds(at: datetime | None) -> int | None:
    """A time as MLflow counts it, since 1970; None stays None, which MLflow reads as now."""
    return int(at.timestamp() * 1000) if at else None
