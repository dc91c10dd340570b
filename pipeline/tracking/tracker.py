"""The tracker starts, finds, resumes and cleans up runs. It alone reads MLFLOW_RUN_ID."""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import mlflow
from mlflow.entities import Experiment, Run as Stored, RunInfo, RunStatus, ViewType
from mlflow.store.entities import PagedList
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE

from pipeline.errors import Failure, UserError
from pipeline.sqlite import reason
from pipeline.tracking import process
from pipeline.tracking.run import METRIC_NAMES, Run, milliseconds, unfinished
from pipeline.tracking.source import source_tags
from pipeline.tracking.store import ready_store, store_lock, tracking_uri, use_write_ahead_log
from pipeline.tracking.tags import KEY, OUTCOME, OUTPUTS, PROCESS, ROLE
from pipeline.urls import redacted

_PAGE = 1000

T = TypeVar("T")


class Tracker:
    """Runs of a store: new ones belong to one MLflow experiment, others are found in all of its experiments.

    Args:
        project: The project folder.
        experiment: Name of the MLflow experiment; under a launcher that of the launcher's run. None to read only.
        command: What was called, such as `headway run digits`: the source of new runs.

    Raises:
        UserError: MLFLOW_RUN_ID names no run that can be continued.
        Failure: The store cannot be used.
    """

    def __init__(self, project: Path, experiment: str | None, command: str = "") -> None:
        uri = tracking_uri(project)
        self._source = source_tags(project, command) if command else {}
        mlflow.set_tracking_uri(uri)
        self.launcher_run = os.environ.pop("MLFLOW_RUN_ID", None)
        with store_lock(project, "mlflow"):  # MLflow's schema code must not run in two processes at once
            for line in ready_store(project, uri):
                _say(line)
            use_write_ahead_log(project, uri)
            try:
                self.client = mlflow.MlflowClient()
            except Exception as error:  # of MLflow, SQLAlchemy or a driver
                raise Failure(f"MLflow's store {redacted(uri)} cannot be opened ({reason(error)})") from error
            self.experiment_id = self._experiment(project, experiment, uri) if experiment else ""
        self._experiments: dict[str, str] = {}  # of runs that other processes started

    def start(self, name: str, tags: Mapping[str, str], parent: str | None = None, at: datetime | None = None) -> Run:
        """Start a run under a parent, now or at a given time."""
        all_tags = dict(self._source) | dict(tags) | {MLFLOW_RUN_NAME: name, PROCESS: process.identity()}
        if parent:
            all_tags[MLFLOW_PARENT_RUN_ID] = parent
        experiment = self._experiments.get(parent or "", self.experiment_id)
        run = self.client.create_run(experiment, milliseconds(at), all_tags, name)
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
        self._experiments[run_id] = self.client.get_run(run_id).info.experiment_id
        self.client.update_run(run_id, status="RUNNING")
        run = Run(self.client, run_id, resumed=True)
        run.tags({PROCESS: process.identity()})
        run.describe("")  # which says how it ended
        return run

    def finished(self, key: str, outputs: str | None = None) -> Stored | None:
        """The newest finished run with a key that is not deleted; one with these outputs goes before others."""
        found = list(self.runs(f"tags.`{KEY}` = '{key}' and attributes.status = 'FINISHED'"))
        return next((run for run in found if run.data.tags.get(OUTPUTS) == outputs), next(iter(found), None))

    def interrupted(self, key: str, here: bool = False) -> Stored | None:
        """The newest failed or killed run with a key, in all experiments or in this one."""
        for run in self.runs(f"tags.`{KEY}` = '{key}'"):
            if run.info.status in ("FAILED", "KILLED") and not (here and run.info.experiment_id != self.experiment_id):
                return run
        return None

    def running(self, key: str) -> Stored | None:
        """The newest run with a key that a process is at."""
        found = self.runs(f"tags.`{KEY}` = '{key}' and attributes.status = 'RUNNING'")
        return next((run for run in found if PROCESS in run.data.tags), None)

    def runs(self, where: str = "", order_by: str = "") -> Iterator[Stored]:
        """Runs of all experiments that are not deleted, newest first, or in an order such as `metrics.loss DESC`."""
        order = [*([order_by] if order_by else []), "attributes.start_time DESC"]
        experiments = [
            found.experiment_id
            for found in _pages(lambda token: self.client.search_experiments(max_results=_PAGE, page_token=token))
        ]
        return _pages(
            lambda token: self.client.search_runs(experiments, where, ViewType.ACTIVE_ONLY, _PAGE, order, token)
        )

    def children(self, run_id: str, role: str) -> Iterator[Stored]:
        """A run's children of a role."""
        return self.runs(f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}' and tags.`{ROLE}` = '{role}'")

    def get(self, run_id: str) -> Stored | None:
        """The run with an ID; None if it is missing or deleted."""
        try:
            run = self.client.get_run(run_id)
        except mlflow.MlflowException:
            return None
        return run if run.info.lifecycle_stage == "active" else None

    def end_orphaned_runs(self, gone: str = "") -> int:
        """End runs whose process has ended (killed, or its machine restarted); return their number.

        Args:
            gone: The identity of a process of any machine that is known to have ended.
        """
        running = RunStatus.to_string(RunStatus.RUNNING)
        count = 0
        for run in self.runs(f"attributes.status = '{running}'"):
            owner = run.data.tags.get(PROCESS)
            if owner and run.info.run_id != self.launcher_run and (owner == gone or process.is_gone(owner)):
                left, outcome = Run(self.client, run.info.run_id), "its process ended without a word"
                left.tags({OUTCOME: f"killed: {outcome}", **unfinished("KILLED", outcome)})
                left.end("KILLED")
                count += 1
        return count

    def experiment(self) -> Experiment:
        """MLflow's experiment to which new runs belong: under a launcher another than one of the experiment's name."""
        return self.client.get_experiment(self.experiment_id)

    def describe_experiment(self, text: str) -> None:
        """Describe the experiment, unless someone has."""
        if MLFLOW_RUN_NOTE not in self.experiment().tags:
            self.client.set_experiment_tag(self.experiment_id, MLFLOW_RUN_NOTE, text)

    def _experiment(self, project: Path, name: str, uri: str) -> str:
        """ID of the launcher's experiment, or of the one of a name, which is created or restored."""
        if self.launcher_run:
            return self._launcher_info(self.launcher_run, uri).experiment_id
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            location = (project / "mlruns").as_uri() if uri.startswith("sqlite") else None
            return self.client.create_experiment(name, artifact_location=location)
        if experiment.lifecycle_stage != "active":
            self.client.restore_experiment(experiment.experiment_id)
            _say(f"the experiment {name} had been deleted: it was restored, with its runs")
        return experiment.experiment_id

    def _launcher_info(self, run_id: str, uri: str) -> RunInfo:
        try:
            info = self.client.get_run(run_id).info
            deleted = info.lifecycle_stage != "active"
            problem = "it was deleted" if deleted else "" if info.end_time is None else f"it has ended, {info.status}"
        except mlflow.MlflowException as error:
            problem = reason(error)
        if problem:
            raise UserError(
                f"MLFLOW_RUN_ID={run_id} is no run of {redacted(uri)} to go on in ({problem}): unset it; `mlflow run` "
                "sets it by itself"
            )
        return info

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


def _say(line: str) -> None:
    """Say what was wrong with the store, on stderr."""
    print(f"headway: {line}", file=sys.stderr)


def _pages(fetch: Callable[[str | None], PagedList[T]]) -> Iterator[T]:
    """The items of all pages of a search."""
    token = None
    while True:
        page = fetch(token)
        yield from page
        token = page.token
        if not token:
            return
