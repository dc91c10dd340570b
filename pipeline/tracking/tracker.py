"""The tracker starts, finds, resumes and cleans up runs. It alone reads MLFLOW_RUN_ID."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run as Stored, RunStatus, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from pipeline.tracking import process
from pipeline.tracking.run import METRIC_NAMES, Run, milliseconds
from pipeline.tracking.store import create_store, store_lock, tracking_uri, use_write_ahead_log
from pipeline.tracking.tags import KEY, OUTCOME, PROCESS

_PAGE = 1000


class Tracker:
    """Runs of one MLflow experiment.

    Args:
        project: The project folder.
        experiment: Name of the MLflow experiment; under a launcher the launcher's is used. None creates none, to read
            only.
    """

    def __init__(self, project: Path, experiment: str | None) -> None:
        uri = tracking_uri(project)
        mlflow.set_tracking_uri(uri)
        with store_lock(project, "mlflow"):  # MLflow's schema code must not run in two processes at once
            create_store(project, uri)
            use_write_ahead_log(project, uri)
            self.client = mlflow.MlflowClient()
            self.launcher_run = os.environ.pop("MLFLOW_RUN_ID", None)
            if self.launcher_run:
                self.experiment_id = self.client.get_run(self.launcher_run).info.experiment_id
            else:
                self.experiment_id = self._experiment(project, experiment, uri) if experiment else ""

    def start(self, name: str, tags: Mapping[str, str], parent: str | None = None, at: datetime | None = None) -> Run:
        """Start a run under a parent, now or at a given time."""
        all_tags = dict(tags) | {MLFLOW_RUN_NAME: name, PROCESS: process.identity()}
        if parent:
            all_tags[MLFLOW_PARENT_RUN_ID] = parent
        run = self.client.create_run(self.experiment_id, milliseconds(at), all_tags, name)
        return Run(self.client, run.info.run_id)

    def parent(self, name: str, tags: Mapping[str, str]) -> Run:
        """The pipeline's run: the launcher's, or a new one."""
        if self.launcher_run is None:
            return self.start(name, tags)
        run = Run(self.client, self.launcher_run)
        run.tags(dict(tags) | {MLFLOW_RUN_NAME: name, PROCESS: process.identity()})
        return run

    def tag_launcher_run(self, tags: Mapping[str, str]) -> None:
        """Tag the launcher's run, if its store responds."""
        if self.launcher_run is not None:
            with contextlib.suppress(mlflow.MlflowException):
                Run(self.client, self.launcher_run).tags(tags)

    def resume(self, run_id: str) -> Run:
        """Resume a run that another process started."""
        self.client.update_run(run_id, status="RUNNING")
        run = Run(self.client, run_id, resumed=True)
        run.tags({PROCESS: process.identity()})
        return run

    def finished(self, key: str) -> Stored | None:
        """The newest finished run with a key that is not deleted."""
        return next(self.runs(f"tags.`{KEY}` = '{key}' and attributes.status = 'FINISHED'"), None)

    def interrupted(self, key: str) -> Stored | None:
        """The newest failed or killed run with a key."""
        for run in self.runs(f"tags.`{KEY}` = '{key}'"):
            if run.info.status in ("FAILED", "KILLED"):
                return run
        return None

    def runs(self, where: str = "") -> Iterator[Stored]:
        """Runs of this experiment that are not deleted, newest first."""
        return self._search([self.experiment_id], where)

    def all_runs(self) -> Iterator[Stored]:
        """Runs of all experiments that are not deleted, newest first."""
        return self._search([found.experiment_id for found in self.client.search_experiments()], "")

    def _search(self, experiments: list[str], where: str) -> Iterator[Stored]:
        token = None
        while True:
            page = self.client.search_runs(
                experiments, where, ViewType.ACTIVE_ONLY, _PAGE, ["attributes.start_time DESC"], token
            )
            yield from page
            token = page.token
            if not token:
                return

    def get(self, run_id: str) -> Stored | None:
        """The run with an ID; None if it is missing or deleted."""
        try:
            run = self.client.get_run(run_id)
        except mlflow.MlflowException:
            return None
        return run if run.info.lifecycle_stage == "active" else None

    def end_orphaned_runs(self) -> int:
        """End runs whose process has ended (killed, or its machine restarted); return their number."""
        running = RunStatus.to_string(RunStatus.RUNNING)
        count = 0
        for run in self.runs(f"attributes.status = '{running}'"):
            owner = run.data.tags.get(PROCESS)
            if owner and run.info.run_id != self.launcher_run and process.is_gone(owner):
                self.client.set_tag(run.info.run_id, OUTCOME, "killed: its process ended without a word")
                self.client.set_terminated(run.info.run_id, "KILLED")
                count += 1
        return count

    def _experiment(self, project: Path, name: str, uri: str) -> str:
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            location = (project / "mlruns").as_uri() if uri.startswith("sqlite") else None
            return self.client.create_experiment(name, artifact_location=location)
        if experiment.lifecycle_stage != "active":
            self.client.restore_experiment(experiment.experiment_id)
        return experiment.experiment_id

    def artifact(self, run_id: str, name: str, folder: Path) -> Path | None:
        """Download an artifact of a run into a folder; None if the run has none of that name."""
        try:
            return Path(self.client.download_artifacts(run_id, name, str(folder)))
        except (mlflow.MlflowException, OSError):
            return None

    def json_artifact(self, run_id: str, name: str) -> Any:
        """A JSON artifact of a run; None if the run has none of that name."""
        with tempfile.TemporaryDirectory() as folder:
            path = self.artifact(run_id, name, Path(folder))
            return json.loads(path.read_text(encoding="utf-8")) if path else None

    def metrics(self, run: Stored) -> dict[str, float]:
        """The last value of each metric of a run, by its name, which may be none that MLflow takes as a key."""
        names = self.json_artifact(run.info.run_id, METRIC_NAMES) or {}
        return {names.get(key, key): value for key, value in run.data.metrics.items()}

    def metric_history(self, run_id: str, key: str) -> list[tuple[int, float]]:
        """Step and value of every point of a metric, in order."""
        return sorted((point.step, point.value) for point in self.client.get_metric_history(run_id, key))
