"""The model registry: versions of a model, and their aliases."""

import json
from collections.abc import Mapping

import mlflow
from mlflow.entities import LoggedModel, Metric, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS, MLFLOW_RUN_NOTE

from pipeline.tracking.tags import GATE

CHAMPION, CHALLENGER = "champion", "challenger"


def register(
    client: mlflow.MlflowClient,
    name: str,
    model_uri: str,
    model_id: str,
    run_id: str,
    tags: Mapping[str, str],
    description: str | None = None,
    about: str | None = None,
) -> ModelVersion:
    """Register a version, or return the one that this run has registered already, as a resumed run has.

    Args:
        client: Of the store.
        name: Of the registered model.
        model_uri: Of the logged model.
        model_id: Of the logged model.
        run_id: Of the run that logged it.
        tags: Of the version.
        description: Of the version.
        about: Describes the registered model, unless someone has.
    """
    try:
        client.create_registered_model(name, description=about)
    except mlflow.MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
        if about and not client.get_registered_model(name).description:
            client.update_registered_model(name, about)
    if registered := version_of_run(client, name, run_id):
        return registered
    version = client.create_model_version(
        name, model_uri, run_id, tags=dict(tags), description=description, model_id=model_id
    )
    _describe(client, model_id, version)
    return version


def _describe(client: mlflow.MlflowClient, model_id: str, version: ModelVersion) -> None:
    """Describe the logged model as its version, which its page names; a tracking server sees to the latter itself."""
    known = json.loads(client.get_logged_model(model_id).tags.get(MLFLOW_MODEL_VERSIONS, "[]"))
    own = {"name": version.name, "version": str(version.version)}
    every = known if own in known else [*known, own]
    described = {MLFLOW_RUN_NOTE: version.description} if version.description else {}
    client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(every)} | described)


def logged_model(client: mlflow.MlflowClient, version: ModelVersion) -> LoggedModel | None:
    """The logged model that a version was made of; None where that is not known, or it is gone."""
    found = version.model_id or str(version.source).removeprefix("models:/")  # a database keeps the source alone
    try:
        return client.get_logged_model(found) if found.startswith("m-") else None
    except mlflow.MlflowException:
        return None


def tie(client: mlflow.MlflowClient, model: LoggedModel, run: Run, datasets: Mapping[str, tuple[str, str]]) -> None:
    """Let metrics of a run be those of a logged model too, each on its data set; once, however often it is called.

    Args:
        client: Of the store.
        model: The logged model.
        run: That has logged the metrics.
        datasets: Name and digest of the data set of each metric that counts, by the metric's key.
    """
    if any(it.run_id == run.info.run_id for it in model.metrics or []):
        return
    points = []
    for key, (name, digest) in datasets.items():
        last = client.get_metric_history(run.info.run_id, key)[-1]  # the run keeps one point: it is the same again
        points.append(Metric(key, last.value, last.timestamp, last.step, model.model_id, name, digest))
    client.log_batch(run.info.run_id, metrics=points)


def champion(client: mlflow.MlflowClient, name: str) -> ModelVersion | None:
    """The version with the alias `champion`, or None."""
    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except mlflow.MlflowException:
        return None


def set_alias(client: mlflow.MlflowClient, name: str, version: ModelVersion, alias: str, reason: str) -> None:
    """Give a version an alias, and record the reason as a tag."""
    client.set_model_version_tag(name, version.version, GATE, reason)
    client.set_registered_model_alias(name, alias, version.version)


def version_of_run(client: mlflow.MlflowClient, name: str, run_id: str) -> ModelVersion | None:
    """The newest version that a run has registered and whose files are there, or None."""
    found = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    whole = [version for version in found if is_whole(version)]
    return max(whole, key=lambda version: int(version.version), default=None)


def registered_by(client: mlflow.MlflowClient, run_id: str) -> ModelVersion | None:
    """The newest version, of any model, that a run has registered, or None."""
    found = client.search_model_versions(f"run_id = '{run_id}'")
    return max(found, key=lambda version: version.creation_timestamp, default=None)


def is_whole(version: ModelVersion) -> bool:
    """Whether a version can be opened; True if its files' store does not say."""
    try:
        files = mlflow.artifacts.list_artifacts(artifact_uri=f"models:/{version.name}/{version.version}")
    except mlflow.MlflowException as error:
        return error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
    return any(file.path == MLMODEL_FILE_NAME for file in files)


def address(client: mlflow.MlflowClient, name: str, run_id: str | None) -> str | None:
    """URI of a model's champion; without a champion that of the version that a run has registered, if it has one."""
    if champion(client, name):
        return f"models:/{name}@{CHAMPION}"
    version = version_of_run(client, name, run_id) if run_id else None
    return f"models:/{name}/{version.version}" if version else None


def run_of(client: mlflow.MlflowClient, uri: str) -> str | None:
    """ID of the run that logged a model, `models:/NAME@alias`, `models:/NAME/version` or `models:/m-...`, or None."""
    if found := version_of(client, uri):
        return found.run_id
    try:
        return client.get_logged_model(uri.removeprefix("models:/")).source_run_id
    except mlflow.MlflowException:
        return None


def version_of(client: mlflow.MlflowClient, uri: str) -> ModelVersion | None:
    """The version that `models:/NAME@alias` or `models:/NAME/version` is, or None."""
    name, _, alias = uri.removeprefix("models:/").partition("@")
    name, _, version = name.partition("/")
    try:
        if alias:
            return client.get_model_version_by_alias(name, alias)
        return client.get_model_version(name, version) if version else None
    except mlflow.MlflowException:
        return None
